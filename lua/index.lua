#!lua flags=allow-oom
-- index: keeps what finds records: the ids of a collection and of what one Pod Manager has of it, the unique names in it, and the stamp
-- that says whether any of them has changed. Also while Redis is full.
--
-- KEYS[1]   the set of ids, the hash of names, or the stamp
-- ARGV[1]   'add' or 'remove' ids in the set; 'claim' or 'release' a name in the hash; 'stamp'
-- ARGV[2…]  ids (add, remove); name (claim, release); the new stamp, whatever was there
-- ARGV[3]   id that claims or releases the name
-- Returns   'ok', or for claim the id that has the name
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::records, store::homes
local op, what, id = ARGV[1], ARGV[2], ARGV[3]
if op == 'add' then
  redis.call('SADD', KEYS[1], unpack(ARGV, 2))
elseif op == 'remove' then
  redis.call('SREM', KEYS[1], unpack(ARGV, 2))
elseif op == 'stamp' then
  redis.call('SET', KEYS[1], what)
elseif op == 'claim' then
  redis.call('HSETNX', KEYS[1], what, id)
  return redis.call('HGET', KEYS[1], what)
elseif redis.call('HGET', KEYS[1], what) == id then
  redis.call('HDEL', KEYS[1], what)
end
return 'ok'
