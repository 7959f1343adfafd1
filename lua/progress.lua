#!lua flags=allow-oom
-- progress: says how far a running task is.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id
-- ARGV[3]   claim token
-- ARGV[4]   progress, JSON
-- Returns   'ok', 'stop' (a cancel was asked for) or 'lost' (nothing saved)
-- Cost      3 keys
-- Callers   store::claims
local t = load(ARGV[2])
if not (held(t) and t.token == ARGV[3]) then return 'lost' end
call('SET', t.key .. ':p', ARGV[4])
events[1] = t.id
events[2] = t.state .. ' ' .. (claims_of(t) or '0') .. ' ' .. ARGV[4]
flush()
return t.cancel and 'stop' or 'ok'
