#!lua flags=allow-oom
-- record: writes a record (a node, say) on behalf of a task, unless a later writer or a deletion came first.
--
-- KEYS[1]   the record, a hash
-- ARGV[1]   writer: '<task id>.<claim sequence, 10 digits>'; later claims and later tasks sort higher
-- ARGV[2]   'create' (a deleted record may come back), 'update' (it may not), 'delete', 'remove' and 'overwrite' (delete, update
--           whoever wrote it last: for records whose tasks do not take turns)
-- ARGV[3]   row, JSON; '' to delete
-- ARGV[4]   s that a deleted record stays behind as a tombstone
-- Returns   'ok', or 'late' when a higher writer or a deletion was there
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::records
local op = ARGV[2]
local writer, deleted = unpack(redis.call('HMGET', KEYS[1], 'writer', 'deleted'))
if writer and ARGV[1] < writer and op ~= 'remove' and op ~= 'overwrite' then return 'late' end
if deleted and (op == 'update' or op == 'overwrite') then return 'late' end
local last = writer and writer > ARGV[1] and writer or ARGV[1]
if op == 'delete' or op == 'remove' then
  redis.call('HSET', KEYS[1], 'writer', last, 'deleted', '1', 'row', '')
  redis.call('HDEL', KEYS[1], 'live')
  redis.call('EXPIRE', KEYS[1], ARGV[4])
else
  redis.call('HSET', KEYS[1], 'writer', last, 'row', ARGV[3])
  redis.call('HDEL', KEYS[1], 'live', 'deleted')
  redis.call('PERSIST', KEYS[1])
end
return 'ok'
