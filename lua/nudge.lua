#!lua flags=allow-oom
-- nudge: tells a parked task to look again: a child of its has ended, or there is a place for its node. A hint only: it also wakes by its
-- fallback.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id
-- Returns   1 when it looks again, 0 when it has ended
-- Cost      4 keys
-- Callers   store::claims, store::lines, store::upkeep
local t = load(ARGV[2])
if t.state and held(t) then
  call('HSET', t.key, 'wake', '1')
elseif (t.state == 'parked' or t.state == 'cancelling') and not t.out and call('ZREM', P .. 'delayed', t.id) == 1 then
  push(t, t.state == 'cancelling' and 'cancelling' or 'queued')
end
flush()
return t.state and not ENDED[t.state] and 1 or 0
