#!lua
-- enqueue: makes tasks, each in its stream or, when it is not due yet, in `delayed`.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   how many tasks; then per task:
--   id        task id
--   lane      topic:priority
--   def       definition, JSON
--   run_at    ms since 1970, or ''        not before
--   delay     ms, or ''                   not before now + delay
--   timeout   ms, or ''                   from now (or run_at) to the end; '' is one hour
--   gates     'name=limit …', or ''
--   idem      '1' when an Idempotency-Key stands for it: its deletion leaves a tombstone
--   by        short name of who asked, or ''
-- Returns   a letter per task: 'n' it is new, 'e' it exists (it stands already, or stood and was deleted)
-- Cost      about 4 keys a task. No allow-oom: a full Redis takes no new work.
-- Callers   store::tasks
local replies, live, stands = {}, {}, {}

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

for i = 3, 2 + ARGV[2] * 9, 9 do
  local t = { id = ARGV[i], key = P .. 't:' .. ARGV[i], lane = ARGV[i + 1] }
  -- The definition stands as long as its task. Only what an Idempotency-Key stands for leaves a tombstone.
  if (ARGV[i + 7] ~= '' and call('EXISTS', t.key .. ':x') > 0) or not call('SET', t.key .. ':d', ARGV[i + 2], 'NX') then
    replies[#replies + 1] = 'e'
  else
    local due = tonumber(ARGV[i + 3]) or (ARGV[i + 4] ~= '' and NOW + ARGV[i + 4]) or NOW
    if ARGV[i + 6] ~= '' then t.gates = ARGV[i + 6] end
    if ARGV[i + 8] ~= '' then t.by = ARGV[i + 8] end
    find_lane(t)
    local fields = { 'lane', t.lane }
    local function set(name, value)
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
    -- An id booked a while ago (a repeated Idempotency-Key) does not begin its time in the past.
    if due > NOW or ARGV[i + 5] ~= '' or NOW - created(t.id) > 1000 then
      t.deadline = math.max(due, NOW) + (tonumber(ARGV[i + 5]) or DEFAULT_TIMEOUT_MS)
      set('deadline', t.deadline)
    end
    if t.gates then set('gates', t.gates) end
    if t.by then set('by', t.by) end
    if ARGV[i + 7] ~= '' then set('idem', '1') end
    if due > NOW then
      set('state', 'scheduled')
      set('run_at', due)
      call('ZADD', P .. 'delayed', due, t.id)
      moved(t, 'scheduled')
    else
      set('state', 'queued')
      set('entry', call('XADD', stream_of(t.lane), '*', 't', t.id))
      if t.gates then gates.line_up(t) end
      moved(t, 'queued')
    end
    call('HSET', t.key, unpack(fields))
    bump(t.lane, 'enqueued', 1)
    live[#live + 1] = int(created(t.id))
    live[#live + 1] = t.id
    replies[#replies + 1] = 'n'
  end
end
if #live > 0 then call('ZADD', P .. 'live', unpack(live)) end
flush()
return table.concat(replies)
