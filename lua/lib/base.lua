-- Shared by every script: the loader puts base.lua, gates.lua and ends.lua between a script's first line and its body.
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
local accepted, accepted_texts = {}, {}
local function created(id)
  local bits = sub(id, 1, 13)
  local ms = accepted[bits]
  if not ms then
    ms = tonumber(sub(bits, 1, 8) .. sub(bits, 10), 16)
    accepted[bits] = ms
  end
  return ms
end

-- The same as the score of an index.
local function created_text(id)
  local ms = created(id)
  local text = accepted_texts[ms] or int(ms)
  accepted_texts[ms] = text
  return text
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
