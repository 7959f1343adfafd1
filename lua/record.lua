#!lua flags=allow-oom
-- record: writes a record (a node, say) on behalf of a task, unless a later writer or a deletion came first.
--
-- KEYS[1]   the record, a hash
-- ARGV[1]   writer: '<task id>.<claim sequence, 10 digits>'; later claims and later tasks sort higher
-- ARGV[2]   row, JSON; '' to delete
-- ARGV[3]   s that a deleted record stays behind as a tombstone
-- Returns   'ok', or 'late' when a higher writer or a deletion by another task was there
-- Cost      1 key. Stands alone: it needs nothing of lib.lua.
-- Callers   store::records
local writer, deleted = unpack(redis.call('HMGET', KEYS[1], 'writer', 'deleted'))
if writer and ARGV[1] < writer then return 'late' end
if deleted and ARGV[2] ~= '' then return 'late' end
if ARGV[2] == '' then
  redis.call('HSET', KEYS[1], 'writer', ARGV[1], 'deleted', '1', 'row', '')
  redis.call('EXPIRE', KEYS[1], ARGV[3])
else
  redis.call('HSET', KEYS[1], 'writer', ARGV[1], 'row', ARGV[2])
  redis.call('HDEL', KEYS[1], 'live')
end
return 'ok'
