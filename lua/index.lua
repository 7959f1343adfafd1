#!lua flags=allow-oom
-- index: keeps what finds records: the set of a collection's ids, and the unique names in it. Also while Redis is full.
--
-- KEYS[1]   the set of ids, or the hash of names
-- ARGV[1]   'add' or 'remove' an id in the set; 'claim' or 'release' a name in the hash
-- ARGV[2]   id (add, remove) or name (claim, release)
-- ARGV[3]   id that claims or releases the name
-- Returns   'ok', or for claim the id that has the name
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::records
local op, what, id = ARGV[1], ARGV[2], ARGV[3]
if op == 'add' then
  redis.call('SADD', KEYS[1], what)
elseif op == 'remove' then
  redis.call('SREM', KEYS[1], what)
elseif op == 'claim' then
  redis.call('HSETNX', KEYS[1], what, id)
  return redis.call('HGET', KEYS[1], what)
elseif redis.call('HGET', KEYS[1], what) == id then
  redis.call('HDEL', KEYS[1], what)
end
return 'ok'
