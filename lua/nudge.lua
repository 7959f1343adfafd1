#!lua flags=allow-oom
-- nudge: tells a parent that a child of its has ended. A hint only: a parent also wakes by its fallback.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id of the parent
-- Returns   'ok'
-- Cost      4 keys
-- Callers   store::claims
local t = load(ARGV[2])
if t.state and held(t) then
  call('HSET', t.key, 'wake', '1')
elseif (t.state == 'parked' or t.state == 'cancelling') and not t.out and call('ZREM', P .. 'delayed', t.id) == 1 then
  push(t, t.state == 'cancelling' and 'cancelling' or 'queued')
end
flush()
return 'ok'
