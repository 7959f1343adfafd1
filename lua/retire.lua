#!lua flags=allow-oom
-- retire: deletes a consumer that has nothing pending. (XGROUP DELCONSUMER would lose pending entries without a word.)
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   lane
-- ARGV[3]   consumer
-- Returns   1 when it was deleted, 0 when it is unknown or has entries pending
-- Cost      1 key
-- Callers   store::upkeep
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream_of(ARGV[2]), GROUP)
for _, c in ipairs(consumers.err and {} or consumers) do
  local info = {}
  for i = 1, #c, 2 do info[c[i]] = c[i + 1] end
  if info.name == ARGV[3] and info.pending == 0 then
    call('XGROUP', 'DELCONSUMER', stream_of(ARGV[2]), GROUP, ARGV[3])
    return 1
  end
end
return 0
