#!lua flags=allow-oom
-- forget: removes ended tasks.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   tombstone, s: how long the id of a task with an Idempotency-Key stays taken
-- ARGV[3]   only those that ended before this time, ms since 1970; '' for all
-- ARGV[4…]  task ids
-- Returns   per task 'ok', 'missing', 'young' or 'live'
-- Cost      8 keys a task
-- Callers   store::tasks, upkeep::retention
local replies, gone = {}, {}
for i = 4, #ARGV do
  local t = load(ARGV[i])
  local reply = 'ok'
  if t.state and not ENDED[t.state] then
    reply = 'live'
  elseif t.state and ARGV[3] ~= '' and (tonumber(t.finished) or 0) >= tonumber(ARGV[3]) then
    reply = 'young'
  else
    if not t.state then reply = 'missing' end
    erase(t)
    if t.idem then call('SET', t.key .. ':x', '1', 'EX', ARGV[2]) end
    gone[#gone + 1] = t.id
  end
  replies[#replies + 1] = reply
end
if #gone > 0 then
  call('ZREM', P .. 'done', unpack(gone))
  call('ZREM', P .. 'dead', unpack(gone))
end
return replies
