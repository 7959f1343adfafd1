#!lua flags=allow-oom
-- promote: puts delayed tasks that are due into their streams, and says whose children have ended.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   at most so many
-- Returns   { how many were due, ms until the next one is due (-1: none), parents to be told }
-- Cost      3 keys a task
-- Callers   upkeep::promote
local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', NOW, 'LIMIT', 0, ARGV[2])
local WAITS = { scheduled = true, retrying = true, parked = true, waiting = true, cancelling = true }
if #due > 0 then call('ZREM', P .. 'delayed', unpack(due)) end
for _, id in ipairs(due) do
  local t = load(id)
  if t.state and WAITS[t.state] and not held(t) then
    if t.state == 'scheduled' and t.gates then gates.line_up(t) end
    if t.gates then gates.leave_lines(t) end
    if t.state ~= 'cancelling' then remember(t, NOW, 'queued') end
    push(t, t.state == 'cancelling' and 'cancelling' or 'queued')
  end
end
flush()
local next = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
return { #due, next[2] and math.max(0, math.floor(next[2] - NOW)) or -1, call('SPOP', P .. 'news', ARGV[2]) }
