-- Shared by every script: the loader puts this text between a script's first line and its body.
--
-- KEYS[1]  the bucket's prefix, such as vl:{b00}: (never a key itself). Every key a script touches is this prefix plus a
--          suffix, so all of them hash to one slot. docs/keys.md lists the suffixes.
-- ARGV[1]  how many entries the capped events stream keeps.
--
-- A script reads and checks first and writes last: Redis does not roll a failed script back. TIME is read once, here.
-- What many tasks of one call have in common (acks, indexes, counters, events) is gathered and written once by flush().

local P = KEYS[1]
local call, sub, match = redis.call, string.sub, string.match
local GROUP = 'workers'
local HISTORY_KEPT = 64
local EVENTS_KEPT = ARGV[1]
-- Changes in one entry of the events stream: with EVENTS_KEPT this bounds the stream's memory.
local EVENTS_TOGETHER = 32
local DEFAULT_TIMEOUT_MS = 3600000
local CLOCK = call('TIME')
local NOW_US = CLOCK[1] * 1000000 + CLOCK[2]
local NOW = math.floor(NOW_US / 1000)
local ENDED = { completed = true, failed = true, cancelled = true }

-- A caller, or a Pod Manager, with so many tasks queued of a topic queues further ones in the lane below: some rounds of one worker's 64
-- slots, so that nobody's first task stands behind more of anybody's.
local FAIR_SHARE = 200
-- From so many entries on it pays to look for the first at their stream's head that is not done.
local CUT_FROM = 8
-- Retries of one Pod Manager's tasks: so many at once, then one every so often (ms), all workers together.
local RETRY_BURST, RETRY_EVERY = 10, 500
-- How long failures of a Pod Manager count, ms: twice the longest request.
local WINDOW = 120000
-- How long the one probe of a half-open circuit keeps others out without news, ms.
local PROBE = 30000

-- A whole number as text. Redis prints a number that a script hands it with 17 digits after the point, which costs more than the write.
local function int(n)
  return string.format('%d', n)
end

local NOW_TEXT = int(NOW)

local events, counts, acks, not_live, now_done, now_dead, bodies, shares = {}, {}, {}, {}, {}, {}, {}, {}

local function stream_of(lane)
  return P .. 's:' .. lane
end

-- What redis.pcall answered; nil where somebody else has put a value of another type under the key: one such key must not hold up the rest
-- of its bucket.
local function typed(reply)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if sub(reply.err, 1, 9) ~= 'WRONGTYPE' then error(reply.err) end
end

-- A task's state hash as a table; empty fields read as absent. `state` is nil when there is no such task, or when what is left of it does
-- not say where it queues.
local function load(id)
  local key = P .. 't:' .. id
  local t = { id = id, key = key }
  local flat = typed(redis.pcall('HGETALL', key)) or {}
  for i = 1, #flat, 2 do
    local value = flat[i + 1]
    if value ~= '' then t[flat[i]] = value end
  end
  if not t.lane then t.state = nil end
  return t
end

-- Removes all that is stored of a task but its tombstone.
local function erase(t)
  call('DEL', t.key, t.key .. ':d', t.key .. ':r', t.key .. ':c', t.key .. ':h', t.key .. ':p')
end

-- As load, for an end: all that it needs of a running task which has no gates, no checkpoint and no earlier error; else everything.
local function load_to_end(id)
  local key = P .. 't:' .. id
  local f = typed(redis.pcall('HMGET', key, 'state', 'token', 'entry', 'lane', 'attempt', 'gates', 'ckpt', 'err', 'claims')) or {}
  if f[6] or f[7] or f[8] or f[1] ~= 'running' or not f[4] then return load(id) end
  return { id = id, key = key, state = f[1], token = f[2], entry = f[3], lane = f[4], attempt = f[5], claims = f[9] or nil }
end

-- When the task was accepted, ms: the first 48 bits of a UUIDv7. Many tasks of one call are of one ms.
local accepted = {}
local function created(id)
  local bits = sub(id, 1, 13)
  local ms = accepted[bits]
  if not ms then
    ms = tonumber(sub(bits, 1, 8) .. sub(bits, 10), 16)
    accepted[bits] = ms
  end
  return ms
end

local function deadline_of(t)
  return tonumber(t.deadline) or created(t.id) + DEFAULT_TIMEOUT_MS
end

-- How often the task was claimed; nil before the first time. The field is there once they differ from the attempts.
local function claims_of(t)
  return t.claims or (t.attempt ~= '0' and t.attempt or nil)
end

-- The attempt did not end by a verdict that counts. Returns how many there are without it.
local function give_back(t)
  t.claims = claims_of(t)
  local attempt = int(math.max(0, (tonumber(t.attempt) or 1) - 1))
  call('HSET', t.key, 'attempt', attempt, 'claims', t.claims)
  return attempt
end

local function held(t)
  return t.token and (t.state == 'running' or t.state == 'cancelling')
end

local function counts_of(lane)
  local of_lane = counts[lane]
  if not of_lane then
    of_lane = {}
    counts[lane] = of_lane
  end
  return of_lane
end

local function bump(lane, what, n)
  local of_lane = counts_of(lane)
  of_lane[what] = (of_lane[what] or 0) + n
end

-- Whose share of the queue a task takes: fields of `share`, or none. The high lane counts by itself. Found once for all that are alike.
local NOBODY, fields_of = {}, {}
local function shares_of(t)
  local podm = t.gates and match(t.gates, 'podm:(%S+):w=')
  if not (t.by or podm) then return NOBODY end
  local alike = t.lane .. '|' .. (t.by or '') .. '|' .. (podm or '')
  local fields = fields_of[alike]
  if not fields then
    local topic = match(t.lane, '^(.+:)high$') or match(t.lane, '^[^:]+')
    fields = {}
    if t.by then fields[1] = topic .. '|c:' .. t.by end
    if podm then fields[#fields + 1] = topic .. '|p:' .. podm end
    fields_of[alike] = fields
  end
  return fields
end

local function share(t, n)
  local fields = shares_of(t)
  for i = 1, #fields do shares[fields[i]] = (shares[fields[i]] or 0) + n end
end

-- Books a move from one state to another: counters, and one event that names the claim it happened under.
local function moved(t, to)
  local from, of_lane = t.state, counts_of(t.lane)
  if from and not ENDED[from] then of_lane[from] = (of_lane[from] or 0) - 1 end
  of_lane[to] = (of_lane[to] or 0) + 1
  if t.by or t.gates then
    if from == 'queued' then share(t, -1) end
    if to == 'queued' then share(t, 1) end
  end
  local n = #events
  events[n + 1] = t.id
  events[n + 2] = to .. ' ' .. (claims_of(t) or '0')
  t.state = to
end

-- Adds a line to the task's history. The first queued, the last running and the end are told by the hash itself.
local function remember(t, at, state, worker, attempt, detail)
  local line = string.format('%.0f|%s|%s|%s|%s', at, state, worker or '', attempt or '', detail or '')
  local n = typed(redis.pcall('RPUSH', t.key .. ':h', line))
  if n and n > HISTORY_KEPT then call('LTRIM', t.key .. ':h', -HISTORY_KEPT, -1) end
end

local function remember_run(t)
  if t.started then remember(t, tonumber(t.started), 'running', t.worker, t.attempt) end
end

-- Takes an entry that this group has read out of its stream.
local function drop(lane, entry)
  local list = acks[lane]
  if not list then
    list = {}
    acks[lane] = list
  end
  list[#list + 1] = entry
end

-- Puts the task into its stream; `state` is queued, or cancelling when its undo is wanted.
local function push(t, state)
  t.entry = call('XADD', stream_of(t.lane), '*', 't', t.id)
  call('HSET', t.key, 'state', state, 'entry', t.entry)
  moved(t, state)
end

-- Lets the task wait in `delayed` until `due` (ms), at most until its deadline. A quarantine is never cut short, and an undo keeps its
-- pauses after the deadline too.
local function delay(t, state, due, why)
  local undoing = t.ending or t.cancel or state == 'cancelling'
  if not (t.out or undoing) then due = math.min(due, math.max(deadline_of(t), NOW)) end
  call('HSET', t.key, 'state', state, 'why', why or '')
  call('ZADD', P .. 'delayed', due, t.id)
  moved(t, state)
end

---------------------------------------------------------------------------------------------------- gates

local function each_gate(t)
  return string.gmatch(t.gates or '', '(%S+)=(%d+)')
end

-- The gate of a node has one place, kept until the task ends and given in the order of acceptance.
local function is_fifo(name)
  return sub(name, 1, 5) == 'node:'
end

local function gate_key(name)
  return P .. 'gate:' .. name
end

local function wait_key(name)
  return P .. 'gatewait:' .. name
end

local function podm_of(name)
  return match(name, '^podm:(.+):[rw]$')
end

local function breaker_key(podm)
  return P .. 'breaker:' .. podm
end

-- The line that the task waits in, or waited in last; a drained Pod Manager's is another than its gate's.
local function last_line(t)
  return match(t.why or '', '^gate (.+)$')
end

-- What serves gates is made when a task with a gate comes by: most calls meet none, and making functions is most of what a small call costs.
local function make(gates)
  local function is_live(id)
    local state = typed(redis.pcall('HGET', P .. 't:' .. id, 'state'))
    return state and not ENDED[state]
  end

  -- Takes its place in the line of every gate that is served in the order of acceptance.
  function gates.line_up(t)
    for name in each_gate(t) do
      if is_fifo(name) then call('ZADD', wait_key(name), 'NX', NOW_US, t.id) end
    end
  end

  -- Read once a call: Pod Managers without anything on record that keeps anybody out, limits, gates without places that have lapsed.
  local calm, limits, swept = {}, {}, {}

  -- A field of `limits`, or false.
  local function limit_of(name)
    if limits[name] == nil then limits[name] = call('HGET', P .. 'limits', name) end
    return limits[name]
  end

  -- What the circuit breaker in front of a gate says: at most so many may come in (nil: it does not care), until when nobody may (ms), and
  -- whether only one may be in at once. Open, nobody; half-open, one probe; nobody before the time that the Pod Manager asked for; one at a
  -- time while it has answered nothing for a while.
  local function breaker_of(name)
    local podm = podm_of(name)
    if not podm then return nil end
    if calm[podm] then return nil end
    local b = call('HMGET', breaker_key(podm), 'until', 'probe_end', 'later', 'silent')
    if not (b[1] or b[2] or b[3] or b[4]) then
      calm[podm] = true
      return nil
    end
    local open, probe_end, later = tonumber(b[1]), tonumber(b[2]), tonumber(b[3])
    if later and later > NOW then return 0, math.max(later, open or 0) end
    if not open then return nil, nil, NOW - (tonumber(b[4]) or 0) < WINDOW end
    if open > NOW then return 0, open end
    if probe_end and probe_end > NOW then return 0, probe_end end
    return 1
  end

  function gates.begin_probe(podm, holder)
    call('HSET', breaker_key(podm), 'probe', holder, 'probe_end', NOW + PROBE)
  end

  -- A probe that ends without news leaves its place to the next.
  function gates.end_probe(name, holder)
    local podm = podm_of(name)
    if podm and not calm[podm] and call('HGET', breaker_key(podm), 'probe') == holder then
      call('HDEL', breaker_key(podm), 'probe', 'probe_end')
    end
  end

  -- How many places are free; those of holders that are gone are cleared on the way. Then what the breaker said: at most so many, shut until,
  -- one at a time.
  function gates.room(name, limit)
    local most, shut, single = breaker_of(name)
    if most == 0 then return 0, most, shut end
    local gate = gate_key(name)
    if not swept[name] then
      call('ZREMRANGEBYSCORE', gate, '-inf', NOW)
      swept[name] = true
    end
    limit = single and 1 or tonumber(limit_of(name)) or tonumber(limit)
    local free = limit - call('ZCARD', gate)
    if free <= 0 then
      for _, holder in ipairs(call('ZRANGE', gate, 0, -1)) do
        if sub(holder, 1, 5) ~= 'sync:' and not is_live(holder) then call('ZREM', gate, holder) end
      end
      free = limit - call('ZCARD', gate)
    end
    return most and math.min(most, free) or free, most, nil, single
  end

  local function first_in_line(name)
    while true do
      local head = call('ZRANGE', wait_key(name), 0, 0)[1]
      if not head or is_live(head) then return head end
      call('ZREM', wait_key(name), head)
    end
  end

  -- Whether a Pod Manager that is being drained lets the task in: what has begun ends, and what gives hardware back goes on.
  local function kept_out(t, podm)
    if claims_of(t) or t.ckpt or t.cancel or t.ending or match(t.gates, ' out$') then return false end
    return limit_of('podm:' .. podm .. ':drain')
  end

  -- The first line that the task has to stand in, or nil; then until when nobody gets in there (ms), when that is known; then whether its Pod
  -- Manager has answered nothing for a while.
  function gates.blocked_by(t)
    for name, limit in each_gate(t) do
      if not call('ZSCORE', gate_key(name), t.id) then
        local podm = podm_of(name)
        if podm and kept_out(t, podm) then return 'podm:' .. podm .. ':drain' end
        local free, most, shut, silent = gates.room(name, limit)
        if free <= 0 then return name, shut, silent end
        if most then t.probes = podm end
        if is_fifo(name) then
          local head = first_in_line(name)
          if head and head ~= t.id then return name end
        end
      end
    end
    return nil
  end

  -- When a retry may go, ms: at once while its Pod Manager's budget lasts, else at the next time that is free, which is then its own. Where
  -- no failure is on record there is nothing to be spared.
  function gates.retry_slot(t)
    local podm = t.gates and match(t.gates, 'podm:(%S+):w=')
    if not podm then return NOW end
    local slot = tonumber(t.again)
    if slot and slot > 1 then return slot end
    local b = call('HMGET', breaker_key(podm), 'retry_at', 'since')
    if NOW - (tonumber(b[2]) or 0) > WINDOW then return NOW end
    local next = math.max(tonumber(b[1]) or 0, NOW)
    call('HSET', breaker_key(podm), 'retry_at', next + RETRY_EVERY)
    call('PEXPIRE', breaker_key(podm), 86400000)
    return math.max(next - (RETRY_BURST - 1) * RETRY_EVERY, NOW)
  end

  function gates.take(t, lease_end)
    for name in each_gate(t) do
      call('ZADD', gate_key(name), is_fifo(name) and '+inf' or lease_end, t.id)
      call('ZREM', wait_key(name), t.id)
    end
    if t.probes then gates.begin_probe(t.probes, t.id) end
  end

  -- Leaves the lines of gates without an order: those hold only who waits there.
  function gates.leave_lines(t)
    for name in each_gate(t) do
      if not is_fifo(name) then call('ZREM', wait_key(name), t.id) end
    end
    local line = last_line(t)
    if line and match(line, ':drain$') then call('ZREM', wait_key(line), t.id) end
  end

  -- Lets the first in line come when nobody is kept out any more: somebody must find out whether the Pod Manager is back.
  function gates.hurry(name, at)
    local head = call('ZRANGE', wait_key(name), 0, 0)[1]
    if head then call('ZADD', P .. 'delayed', 'XX', 'LT', at, head) end
  end

  -- Wakes as many as there are free places, the first in line first.
  function gates.wake(name, limit)
    local wait, looked = wait_key(name), 0
    local free, _, shut = gates.room(name, limit)
    if shut then return gates.hurry(name, shut) end
    while free > 0 and looked < 100 do
      looked = looked + 1
      local head = call('ZRANGE', wait, 0, 0)[1]
      if not head then return end
      local w = load(head)
      local waits = w.state == 'waiting' or w.state == 'cancelling'
      if waits and call('ZREM', P .. 'delayed', head) == 1 then
        gates.leave_lines(w)
        push(w, w.state == 'waiting' and 'queued' or 'cancelling')
        free = free - 1
      elseif is_fifo(name) and w.state and not ENDED[w.state] then
        return
      else
        call('ZREM', wait, head)
      end
      if is_fifo(name) and waits then return end
    end
  end

  -- Whoever was woken for a place brings the next when there is more room, or when the place is not for it.
  function gates.pass_on(t)
    local line = last_line(t)
    for name, limit in each_gate(t) do
      if podm_of(name) and line and sub(line, 1, #name - 1) == sub(name, 1, -2) then gates.wake(name, limit) end
    end
  end

  -- Gives the gates back: all of them at the end of the task, else only those that do not outlive a run.
  function gates.free(t, at_end)
    for name, limit in each_gate(t) do
      if at_end or not is_fifo(name) then
        call('ZREM', gate_key(name), t.id)
        if at_end and is_fifo(name) then call('ZREM', wait_key(name), t.id) end
        gates.end_probe(name, t.id)
        gates.wake(name, limit)
      end
    end
  end
end

local gates = setmetatable({}, { __index = function(gates, name)
  make(gates)
  return rawget(gates, name)
end })

---------------------------------------------------------------------------------------------------- ends

-- Ends the task. `body` is the stored result or error (JSON text), or nil to leave what is there.
local function finish(t, state, body)
  call('HSET', t.key, 'state', state, 'finished', NOW_TEXT)
  if body and body ~= '' then
    bodies[#bodies + 1] = t.key .. ':r'
    bodies[#bodies + 1] = body
  elseif t.err and state ~= 'failed' then
    call('DEL', t.key .. ':r')
  end
  not_live[#not_live + 1] = t.id
  local index = state == 'failed' and now_dead or now_done
  index[#index + 1] = int(created(t.id))
  index[#index + 1] = t.id
  if t.ckpt and state ~= 'failed' then call('DEL', t.key .. ':c') end
  -- The parent may be in another bucket: promote has it told.
  if t.parent then call('SADD', P .. 'news', t.parent) end
  moved(t, state)
  if t.gates then
    gates.leave_lines(t)
    gates.free(t, true)
  end
end

-- What held the task up last is said with it.
local function timeout_body(t)
  local detail = 'the task did not end within its timeout'
  if t.why then detail = detail .. '; it was held up by: ' .. t.why end
  return cjson.encode({ error = {
    code = 'Timeout', title = 'Gateway Timeout', status = 504, retryable = true, detail = detail,
  } })
end

-- The newest entry that a lane's group has read, or nil. Read once a call.
local delivered = {}
local function last_delivered(lane)
  if delivered[lane] == nil then
    delivered[lane] = false
    local groups = redis.pcall('XINFO', 'GROUPS', stream_of(lane))
    for _, g in ipairs(groups.err and {} or groups) do
      local info = {}
      for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
      if info.name == GROUP then delivered[lane] = info['last-delivered-id'] end
    end
  end
  return delivered[lane] or nil
end

-- Deletes entries that were read and acknowledged. XDEL walks through a node of the stream for each of them. But whatever was read and is
-- pending for nobody is done; tasks mostly end in the order they came, so one cut before the first that is not done takes all of it.
local function clear(lane, entries)
  local last = #entries >= CUT_FROM and last_delivered(lane)
  if last then
    local pending = call('XPENDING', stream_of(lane), GROUP, '-', last, 1)[1]
    local ms, seq = match(last, '^(%d+)-(%d+)$')
    local first = pending and pending[1] or ms .. '-' .. int(seq + 1)
    if call('XTRIM', stream_of(lane), 'MINID', '=', first) == #entries then return end
  end
  call('XDEL', stream_of(lane), unpack(entries))
end

-- Writes what was gathered. Each script calls it last.
local function flush()
  for lane, list in pairs(acks) do
    call('XACK', stream_of(lane), GROUP, unpack(list))
    clear(lane, list)
  end
  if #bodies > 0 then call('MSET', unpack(bodies)) end
  if #not_live > 0 then call('ZREM', P .. 'live', unpack(not_live)) end
  if #now_done > 0 then call('ZADD', P .. 'done', unpack(now_done)) end
  if #now_dead > 0 then call('ZADD', P .. 'dead', unpack(now_dead)) end
  for lane, of_lane in pairs(counts) do
    for what, n in pairs(of_lane) do
      if n ~= 0 then call('HINCRBY', P .. 'count', match(lane, '^[^:]+') .. ':' .. what, n) end
    end
  end
  for field, n in pairs(shares) do
    if n ~= 0 and call('HINCRBY', P .. 'share', field, n) <= 0 then call('HDEL', P .. 'share', field) end
  end
  for i = 1, #events, 2 * EVENTS_TOGETHER do
    call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', unpack(events, i, math.min(#events, i + 2 * EVENTS_TOGETHER - 1)))
  end
end

-- Runs a command on the lane's group and makes the group when it is missing: at id 0, so that nothing is skipped.
local function with_group(lane, ask)
  local reply = ask()
  if type(reply) == 'table' and reply.err and sub(reply.err, 1, 7) == 'NOGROUP' then
    call('XGROUP', 'CREATE', stream_of(lane), GROUP, '0', 'MKSTREAM')
    reply = ask()
  end
  if type(reply) == 'table' and reply.err then error(reply.err) end
  return reply
end
