#!lua flags=allow-oom
-- settle: ends attempts, each by the verdict of the worker that holds the claim.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   quarantine, ms: how long a changing PODM request whose answer was not seen may still be running
-- ARGV[3…]  per task:
--   id, token
--   outcome   completed | failed | cancelled | retry | park | release
--   delay     ms until it is due again (retry, park, release), or ''
--   ending    '' or the end that an unfinished undo leads to: failed | timeout; with outcome failed, 'incomplete' keeps the
--             checkpoint of an undo that was given up
--   body      result or error, JSON, or ''
--   detail    one line for the history, or ''
-- Returns   a letter per task: 'o' ok, 'a' already (this token settled it before), 'f' fenced (the claim is not the caller's any more)
-- Cost      about 4 keys a task
-- Callers   store::claims
local quarantine = tonumber(ARGV[2])
local replies = {}

local function again(t, outcome, after, detail)
  remember_run(t)
  -- The claim ends here: nobody holds it while it waits. What settled it is kept, to know a repeat by.
  call('HSET', t.key, 'token', '', 'settled', t.token)
  if outcome ~= 'retry' then
    t.attempt = give_back(t)
  elseif t.gates then
    call('HSET', t.key, 'again', '1')
  end
  if t.gates then gates.free(t, false) end
  local cancelling = t.state == 'cancelling' or t.cancel
  if t.out then after = math.max(after, quarantine) end
  -- News for it does not end the time that a request may still be running.
  if t.wake and outcome == 'park' and not t.out then after = 0 end
  if t.wake then call('HDEL', t.key, 'wake') end
  local state = outcome == 'retry' and 'retrying' or outcome == 'park' and 'parked' or 'queued'
  if outcome == 'release' and after > 0 then state = 'retrying' end
  remember(t, NOW, state, t.worker, t.attempt, detail)
  if cancelling then state = 'cancelling' end
  if after > 0 then
    delay(t, state, NOW + after, detail)
  else
    push(t, cancelling and 'cancelling' or 'queued')
  end
end

for i = 3, #ARGV, 7 do
  local outcome, body = ARGV[i + 2], ARGV[i + 5]
  local t = ENDED[outcome] and load_to_end(ARGV[i]) or load(ARGV[i])
  -- Whoever comes late or again is told which by all that stands there.
  if t.token ~= ARGV[i + 1] then t = load(ARGV[i]) end
  if t.token ~= ARGV[i + 1] and t.settled == ARGV[i + 1] then
    replies[#replies + 1] = 'a'
  elseif t.token ~= ARGV[i + 1] then
    replies[#replies + 1] = 'f'
    bump(t.lane or 'unknown', 'fenced', 1)
  elseif not held(t) then
    replies[#replies + 1] = 'a'
  else
    drop(t.lane, t.entry)
    -- Its worker tells the parent itself, at once.
    t.parent = nil
    if ENDED[outcome] then
      if outcome == 'failed' and t.ckpt and ARGV[i + 4] ~= 'incomplete' then
        -- Undone: a redrive begins anew.
        call('DEL', t.key .. ':c')
        call('HSET', t.key, 'ckpt', '', 'out', '')
      end
      finish(t, outcome, body)
    else
      if ARGV[i + 4] ~= '' then
        call('HSET', t.key, 'ending', ARGV[i + 4])
        t.ending = ARGV[i + 4]
      end
      if body ~= '' then
        call('SET', t.key .. ':r', body)
        call('HSET', t.key, 'err', '1')
      end
      again(t, outcome, tonumber(ARGV[i + 3]) or 0, ARGV[i + 6])
    end
    replies[#replies + 1] = 'o'
  end
end
flush()
return table.concat(replies)
