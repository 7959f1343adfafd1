#!lua flags=allow-oom
-- limits: how many changes and reads of a Pod Manager may run at once, and whether new changes are kept out; at once for who waits.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   Pod Manager
-- ARGV[3]   changes at once, or '' for the default
-- ARGV[4]   reads at once, or '' for the default
-- ARGV[5]   '1' to keep new changes out, '' to let them in, 'forget' when the Pod Manager is gone
-- ARGV[6]   the default for changes
-- Returns   'ok'
-- Cost      2 keys, and 4 for each task that is woken
-- Callers   store::gates
local podm = ARGV[2]
local changes, reads, drain = 'podm:' .. podm .. ':w', 'podm:' .. podm .. ':r', 'podm:' .. podm .. ':drain'
for name, limit in pairs({ [changes] = ARGV[3], [reads] = ARGV[4], [drain] = ARGV[5] == '1' and '1' or '' }) do
  if limit == '' then
    call('HDEL', P .. 'limits', name)
  else
    call('HSET', P .. 'limits', name, limit)
  end
end
if ARGV[5] == 'forget' then call('DEL', breaker_key(podm)) end
if ARGV[5] ~= '1' and call('EXISTS', wait_key(drain)) == 1 then
  -- They go on in the line of the gate, in the order of acceptance.
  call('ZUNIONSTORE', wait_key(changes), 2, wait_key(changes), wait_key(drain), 'AGGREGATE', 'MIN')
  call('DEL', wait_key(drain))
end
gates.wake(changes, ARGV[6])
flush()
return 'ok'
