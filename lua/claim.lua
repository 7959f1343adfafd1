#!lua flags=allow-oom
-- claim: makes stream entries this consumer's running tasks.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   consumer (worker id)
-- ARGV[3]   claim token, random, new for every call; the same again after a lost reply gives the same answer
-- ARGV[4]   free slots: at most so many tasks are claimed
-- ARGV[5]   lease, ms: a place in a Pod Manager's gate lasts so long without news
-- ARGV[6]   source: 'new' reads new entries, lane by lane in the order given; 'own' looks through this consumer's pending
--           entries (after a lost reply); 'given' takes entries that a blocking XREADGROUP has just returned
-- ARGV[7]   how many lanes; then the lanes, the most urgent first. For 'given', then triples lane, entry id, task id
-- Returns   { paused topics, claimed tasks, their definitions, their checkpoints }, a claimed task being
--           'id lane attempt claims crashes left generation mode'
--           left: ms to its deadline; mode: '' to run, else the end its undo leads to: 'cancelled', 'failed' or 'timeout'
-- Keeps     an entry is touched only if it is the task's current one and pending for this consumer; of entries for which
--           no slot is free, none is kept: they are added anew, uncounted
-- Cost      about 4 keys a task
-- Callers   store::claims
local consumer, token, free, lease, source = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local lanes = {}
for i = 1, tonumber(ARGV[7]) do lanes[i] = ARGV[7 + i] end
local paused_topics = call('SMEMBERS', P .. 'paused')
local paused, any_paused = {}, #paused_topics > 0
for _, topic in ipairs(paused_topics) do paused[topic] = true end
local claimed, definitions, checkpoints, examined = {}, {}, {}, 0

local function is_paused(lane)
  return paused[match(lane, '^[^:]+')]
end

local function answer(t, deadline)
  local n = #claimed + 1
  claimed[n] = t.id .. ' ' .. t.lane .. ' ' .. t.attempt .. ' ' .. claims_of(t) .. ' ' .. (t.crashes or 0) .. ' ' .. int(deadline - NOW)
    .. ' ' .. (t.gen or 1) .. ' ' .. (t.ending or (t.cancel and 'cancelled') or '')
  definitions[n] = t.key .. ':d'
  checkpoints[n] = t.ckpt and typed(redis.pcall('GET', t.key .. ':c')) or ''
end

-- Until when (ms) a client waits for a Pod Manager that is away; nil when nobody does, or something was begun already.
local function patience_of(t)
  local within = match(t.gates, 'within:(%d+)')
  return within and not (t.ckpt or t.cancel or t.ending) and created(t.id) + within or nil
end

-- That nobody was let in to its Pod Manager in time, unless an attempt has met an error.
local function away_body(t, gate, shut)
  if t.err then return nil end
  local podm = podm_of(gate)
  local why = call('HGET', breaker_key(podm), 'why') or 'it has answered nothing for a while'
  return cjson.encode({ error = {
    code = 'Service Unavailable', title = 'Connection Error', status = 503, retryable = true, podm_id = podm,
    detail = 'Pod Manager ' .. podm .. ' is not asked now: ' .. why,
    retry_after_s = shut and math.ceil((shut - NOW) / 1000) or nil,
  } })
end

local function take(lane, entry, id)
  examined = examined + 1
  local t = load(id)
  if not t.state or ENDED[t.state] or t.entry ~= entry then return drop(lane, entry) end
  if held(t) then
    if t.token == token then answer(t, deadline_of(t)) end
    return
  end
  if #claimed >= free or (any_paused and is_paused(lane)) then
    drop(lane, entry)
    return push(t, t.state)
  end
  local deadline = deadline_of(t)
  if NOW >= deadline and not t.ending and not t.cancel then
    if not t.ckpt then
      drop(lane, entry)
      return finish(t, 'failed', timeout_body(t))
    end
    t.ending = 'timeout'
    call('HSET', t.key, 'ending', 'timeout')
  end
  local gate, shut, silent, patience
  if t.gates then
    gate, shut, silent = gates.blocked_by(t)
    patience = patience_of(t)
  end
  if gate then
    drop(lane, entry)
    if patience and ((shut or 0) >= patience or (NOW >= patience and (shut or silent))) then
      return finish(t, 'failed', away_body(t, gate, shut))
    end
    call('ZADD', wait_key(gate), 'NX', created(id) * 1000, id)
    local ahead = call('ZCARD', wait_key(gate))
    local due = NOW + math.min(30000 + 5 * ahead, 600000)
    if shut then
      -- The first in line finds out whether anybody is let in again.
      due = call('ZRANGE', wait_key(gate), 0, 0)[1] == id and shut or math.max(due, shut)
    end
    if patience and patience > NOW then due = math.min(due, patience) end
    local elsewhere = last_line(t) ~= gate
    delay(t, t.state == 'cancelling' and 'cancelling' or 'waiting', due, 'gate ' .. gate)
    if elsewhere then gates.pass_on(t) end
    return
  end
  if t.again then
    local slot = gates.retry_slot(t)
    if slot > NOW then
      drop(lane, entry)
      call('HSET', t.key, 'again', string.format('%.0f', slot))
      delay(t, t.state == 'cancelling' and 'cancelling' or 'waiting', slot, 'retry budget')
      return gates.pass_on(t)
    end
    call('HDEL', t.key, 'again')
  end
  if t.gates then
    gates.take(t, NOW + lease)
    gates.pass_on(t)
  end
  local state = t.state == 'cancelling' and 'cancelling' or 'running'
  t.attempt = int((tonumber(t.attempt) or 0) + 1)
  call('HSET', t.key, 'state', state, 'token', token, 'worker', consumer, 'started', NOW_TEXT, 'attempt', t.attempt)
  if t.claims then
    t.claims = int(t.claims + 1)
    call('HSET', t.key, 'claims', t.claims)
  end
  -- Whoever left a request outstanding was followed by a quarantine: it is over, or the task would not be here.
  if t.out then call('HSET', t.key, 'out', '') end
  moved(t, state)
  answer(t, deadline)
end

-- Whether the entry is still pending for this consumer: a pause between read and claim may have lost it.
local function still_mine(lane, entry)
  local p = with_group(lane, function()
    return redis.pcall('XPENDING', stream_of(lane), GROUP, entry, entry, 1, consumer)
  end)
  return #p > 0
end

local function read(lane, count, from)
  local reply = with_group(lane, function()
    return redis.pcall('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', stream_of(lane), from)
  end)
  return reply and reply[1] and reply[1][2] or {}
end

if source == 'given' then
  for i = 8 + #lanes, #ARGV, 3 do
    if still_mine(ARGV[i], ARGV[i + 1]) then take(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
  end
else
  for _, lane in ipairs(lanes) do
    if source == 'own' then
      for _, e in ipairs(read(lane, 10000, '0')) do
        if e[2] then take(lane, e[1], e[2][2]) else drop(lane, e[1]) end
      end
    elseif not (any_paused and is_paused(lane)) then
      local got = 1
      while got > 0 and #claimed < free and examined < 1000 do
        local entries = read(lane, free - #claimed, '>')
        got = #entries
        for _, e in ipairs(entries) do take(lane, e[1], e[2][2]) end
      end
    end
  end
end
if #definitions > 0 then definitions = call('MGET', unpack(definitions)) end
flush()
return { paused_topics, claimed, definitions, checkpoints }
