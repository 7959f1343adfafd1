#!lua flags=allow-oom
-- swap: puts another row in the place of a record's when that is still the row that was read; who wrote it last stays who it was.
--
-- KEYS[1]   the record, a hash
-- ARGV[1]   the row that was read
-- ARGV[2]   the new row
-- Returns   1, or 0 when the record has another row by now
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::reseal
if redis.call('HGET', KEYS[1], 'row') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'row', ARGV[2])
return 1
