#!lua flags=allow-oom
-- observe: lays something observed over a record that stands, such as a Pod Manager's status.
--
-- KEYS[1]   the record, a hash
-- ARGV[1]   what was observed, a JSON object
-- Returns   1, or 0 when there is no such record
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::records
local row = redis.call('HGET', KEYS[1], 'row')
if not row or row == '' then return 0 end
redis.call('HSET', KEYS[1], 'live', ARGV[1])
return 1
