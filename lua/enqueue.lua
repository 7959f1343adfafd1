#!lua
-- enqueue: makes tasks, each in its stream or, when it is not due yet, in `delayed`.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   how many tasks; then per task:
--   id        task id
--   lane      topic:priority
--   def       definition, JSON
--   more      '' or run_at|delay|timeout|idem|by|parent|gates, each of them empty or:
--     run_at  ms since 1970                not before
--     delay   ms                           not before now + delay
--     timeout ms                           from now (or run_at) to the end; else it is one hour
--     idem    '1' when an Idempotency-Key stands for it: its deletion leaves a tombstone
--     by      short name of who asked
--     parent  task id                      that waits for its end
--     gates   'name=limit …'
-- Returns   a letter per task: 'n' it is new, 'e' it exists (it stands already, or stood and was deleted)
-- Cost      about 4 keys a task. No allow-oom: a full Redis takes no new work.
-- Callers   store::tasks
local replies, live, stands, made = {}, {}, {}, {}

-- Whether somebody has its share of the task's lane already, with the tasks before it in this call.
local function over_share(t)
  local fields = shares_of(t)
  for i = 1, #fields do
    local field = fields[i]
    stands[field] = stands[field] or tonumber(call('HGET', P .. 'share', field) or '') or 0
    if stands[field] + (shares[field] or 0) >= FAIR_SHARE then return true end
  end
  return false
end

-- From high to normal, from normal to low: where it takes nobody's turn.
local function find_lane(t)
  if not (t.by or t.gates) then return end
  while sub(t.lane, -4) ~= ':low' and over_share(t) do
    t.lane = match(t.lane, '^[^:]+:') .. (sub(t.lane, -5) == ':high' and 'normal' or 'low')
  end
end

local function add(list, one, other)
  local n = #list
  list[n + 1], list[n + 2] = one, other
end

local LAST = 2 + ARGV[2] * 4

-- Definitions of several tasks that are all new are written by one command. False, with nothing written, when some of them are not, or may not be.
local function define_all()
  local definitions, given = {}, {}
  for i = 3, LAST, 4 do
    local id, more = ARGV[i], ARGV[i + 3]
    if given[id] or (more ~= '' and match(more, '^%d*|%d*|%d*|1')) then return false end
    given[id] = true
    add(definitions, P .. 't:' .. id .. ':d', ARGV[i + 2])
  end
  return #definitions > 0 and call('MSETNX', unpack(definitions)) == 1
end

-- The definition stands as long as its task. Only what an Idempotency-Key stands for leaves a tombstone.
local function define(t, definition, idem)
  return not (idem and call('EXISTS', t.key .. ':x') > 0) and call('SET', t.key .. ':d', definition, 'NX')
end

local defined = LAST > 6 and define_all()
for i = 3, LAST, 4 do
  local t = { id = ARGV[i], key = P .. 't:' .. ARGV[i], lane = ARGV[i + 1] }
  local run_at, delay, timeout, idem, by, parent, gated
  if ARGV[i + 3] ~= '' then
    run_at, delay, timeout, idem, by, parent, gated = match(ARGV[i + 3], '^(%d*)|(%d*)|(%d*)|(1?)|(%x*)|([%x%-]*)|(.*)$')
    idem = idem == '1'
    if by ~= '' then t.by = by end
    if parent ~= '' then t.parent = parent end
    if gated ~= '' then t.gates = gated end
  end
  if not (defined or define(t, ARGV[i + 2], idem)) then
    replies[#replies + 1] = 'e'
  else
    find_lane(t)
    local due = tonumber(run_at) or NOW + (tonumber(delay) or 0)
    timeout = tonumber(timeout)
    local more = {}
    -- An id booked a while ago (a repeated Idempotency-Key) does not begin its time in the past.
    if due > NOW or timeout or NOW - created(t.id) > 1000 then
      t.deadline = math.max(due, NOW) + (timeout or DEFAULT_TIMEOUT_MS)
      add(more, 'deadline', t.deadline)
    end
    if t.gates then add(more, 'gates', t.gates) end
    if t.by then add(more, 'by', t.by) end
    if t.parent then add(more, 'parent', t.parent) end
    if idem then add(more, 'idem', '1') end
    if due > NOW then
      call('HSET', t.key, 'lane', t.lane, 'state', 'scheduled', 'run_at', due, unpack(more))
      call('ZADD', P .. 'delayed', due, t.id)
      moved(t, 'scheduled')
    else
      call('HSET', t.key, 'lane', t.lane, 'state', 'queued', 'entry', call('XADD', stream_of(t.lane), '*', 't', t.id), unpack(more))
      if t.gates then gates.line_up(t) end
      moved(t, 'queued')
    end
    made[t.lane] = (made[t.lane] or 0) + 1
    add(live, created_text(t.id), t.id)
    replies[#replies + 1] = 'n'
  end
end
for lane, n in pairs(made) do bump(lane, 'enqueued', n) end
if #live > 0 then call('ZADD', P .. 'live', unpack(live)) end
flush()
return table.concat(replies)
