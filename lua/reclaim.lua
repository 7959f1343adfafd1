#!lua flags=allow-oom
-- reclaim: takes entries back whose worker has been silent for a lease.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   lease, ms
-- ARGV[3]   quarantine, ms
-- ARGV[4…]  per entry: lane, entry id, task id, '1' when the worker's presence is gone (a crash)
-- Returns   per entry what was done: 'busy' (news came meanwhile), 'dropped' (stale entry), 'requeued',
--           'quarantined' (a changing request was outstanding) or 'dead' (third crash within an hour)
-- Keeps     the token is burned first, so the old holder is fenced before anybody else can start
-- Cost      about 4 keys an entry
-- Callers   upkeep::reclaim
local HOUR = 3600000
local lease, quarantine = tonumber(ARGV[2]), tonumber(ARGV[3])
local replies = {}

-- Counts a crash; true when it is the third within an hour. The times of the last two stand in crash_at.
local function poisoned(t)
  local before, last = match(t.crash_at or '', '^(%d*),(%d*)$')
  before, last = tonumber(before), tonumber(last)
  call('HSET', t.key, 'crashes', (tonumber(t.crashes) or 0) + 1,
    'crash_at', string.format('%s,%.0f', last and string.format('%.0f', last) or '', NOW))
  return before and last and NOW - before <= HOUR
end

local function take_back(lane, entry, id, crashed)
  local mine = with_group(lane, function()
    return redis.pcall('XCLAIM', stream_of(lane), GROUP, 'upkeep', lease, entry, 'JUSTID')
  end)
  if #mine == 0 then return 'busy' end
  drop(lane, entry)
  local t = load(id)
  if not t.state or ENDED[t.state] or t.entry ~= entry then return 'dropped' end
  if not held(t) then
    push(t, t.state)
    return 'requeued'
  end
  call('HSET', t.key, 'token', '')
  give_back(t)
  remember_run(t)
  local why = (crashed and 'crash of ' or 'silence of ') .. (t.worker or '')
  local cancelling = t.state == 'cancelling'
  if crashed and poisoned(t) then
    local body = cjson.encode({ error = {
      code = 'Crashed', title = 'Internal Server Error', status = 500, retryable = false,
      detail = 'three workers died while they ran this task, the last one was ' .. (t.worker or 'unknown'),
    } })
    if not t.ckpt or t.ending then
      finish(t, 'failed', body)
      return 'dead'
    end
    -- It may have left something at the PODM: what remains is its undo, and one more death ends that too.
    t.ending = 'failed'
    call('HSET', t.key, 'ending', 'failed')
    call('SET', t.key .. ':r', body)
  end
  if t.gates then gates.free(t, false) end
  if t.out then
    remember(t, NOW, cancelling and 'cancelling' or 'retrying', t.worker, t.attempt, why)
    delay(t, cancelling and 'cancelling' or 'retrying', NOW + quarantine, 'quarantine after ' .. why)
    return 'quarantined'
  end
  remember(t, NOW, cancelling and 'cancelling' or 'queued', t.worker, t.attempt, why)
  push(t, cancelling and 'cancelling' or 'queued')
  return 'requeued'
end

for i = 4, #ARGV, 4 do
  replies[#replies + 1] = take_back(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3] == '1')
end
flush()
return replies
