#!lua flags=allow-oom
-- repair: looks at some live tasks and puts those back that are not where their state says; ends overdue ones, and those of which nobody
-- can read any more what they were to do.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   rank in `live` to start at
-- ARGV[3]   how many to look at
-- ARGV[4]   quarantine, ms
-- ARGV[5]   '1' to report only
-- Returns   { next rank (0: the end was reached), { 'id what', … } }
-- Cost      2–4 keys a task
-- Callers   upkeep::repair, store::doctor
local first, many, quarantine, look_only = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local found = {}
local DELAYED = { scheduled = true, retrying = true, parked = true, waiting = true }

-- Whether entry id a is at or before b.
local function at_or_before(a, b)
  local a1, a2 = match(a, '(%d+)-(%d+)')
  local b1, b2 = match(b, '(%d+)-(%d+)')
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 < b1 or (a1 == b1 and a2 <= b2)
end

-- Whether the stream has the task's entry: a stream made anew within the same ms gives the same entry id to another task.
local function has_entry(t)
  local found = t.entry and call('XRANGE', stream_of(t.lane), t.entry, t.entry)[1]
  return found and found[2][2] == t.id
end

local function is_pending(t)
  return has_entry(t) and last_delivered(t.lane) and #call('XPENDING', stream_of(t.lane), GROUP, t.entry, t.entry, 1) > 0
end

-- Whether the stream still has the entry and the group will deliver it, or has it pending.
local function will_come(t)
  if not has_entry(t) then return false end
  local last = last_delivered(t.lane)
  return not last or not at_or_before(t.entry, last) or is_pending(t)
end

local function fix(t, what, how)
  found[#found + 1] = t.id .. ' ' .. what
  if not look_only then how() end
end

-- Of Lua, and no command of Redis's.
local try = pcall

-- Whether the task's definition is gone or broken. Only one that a worker could not read is looked at; of a newer build's, that is no fault.
local function is_lost(t)
  if t.why ~= 'unknown kind or payload version' then return false end
  local text = typed(redis.pcall('GET', t.key .. ':d'))
  return not (text and try(cjson.decode, text))
end

local function lost_body(t)
  local left = t.ckpt and '; it had begun, and what it did is not undone' or ''
  return cjson.encode({ error = {
    code = 'Internal Server Error', title = 'An unknown exception occured', status = 500, retryable = false,
    detail = 'what the task was to do cannot be read in Redis any more' .. left,
  } })
end

local function check(id)
  local t = load(id)
  if not t.state then
    return fix(t, 'indexed but missing', function()
      call('ZREM', P .. 'live', id)
      erase(t)
    end)
  end
  if ENDED[t.state] then
    return fix(t, 'ended but live', function()
      call('ZREM', P .. 'live', id)
      call('ZADD', P .. (t.state == 'failed' and 'dead' or 'done'), created(id), id)
    end)
  end
  local delayed = call('ZSCORE', P .. 'delayed', id)
  if held(t) then
    if is_pending(t) then return end
    return fix(t, 'running without its entry', function()
      call('HSET', t.key, 'token', '')
      give_back(t)
      remember_run(t)
      if t.gates then gates.free(t, false) end
      call('ZREM', P .. 'delayed', id)
      local cancelling = t.state == 'cancelling'
      if t.out then
        delay(t, cancelling and 'cancelling' or 'retrying', NOW + quarantine, 'repair')
      else
        push(t, cancelling and 'cancelling' or 'queued')
      end
    end)
  end
  if is_lost(t) and not t.out then
    return fix(t, 'without what it was to do', function()
      call('ZREM', P .. 'delayed', id)
      finish(t, 'failed', lost_body(t))
    end)
  end
  if NOW > deadline_of(t) and not t.ckpt and not look_only then
    call('ZREM', P .. 'delayed', id)
    return finish(t, t.cancel and 'cancelled' or 'failed', not t.cancel and timeout_body(t) or nil)
  end
  if DELAYED[t.state] then
    if delayed then return end
    return fix(t, t.state .. ' but not delayed', function() call('ZADD', P .. 'delayed', NOW, id) end)
  end
  if not delayed and not will_come(t) then
    fix(t, t.state .. ' but not in its stream', function() push(t, t.state) end)
  end
end

local ids = call('ZRANGE', P .. 'live', first, first + many - 1)
for _, id in ipairs(ids) do check(id) end
flush()
return { #ids < many and 0 or first + many, found }
