#!lua flags=allow-oom
-- inventory: keeps the summary of a refresh, unless one that began later was there first.
--
-- KEYS[1]   a Pod Manager's inventory, a hash
-- ARGV[1]   ms, when the refresh began to read
-- ARGV[2]   summary, JSON
-- ARGV[3]   ms, how long the inventory is kept without another refresh
-- Returns   1, or 0 when a later one was there
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::inventory
local at = tonumber(redis.call('HGET', KEYS[1], 'at'))
if at and at > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'summary', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
