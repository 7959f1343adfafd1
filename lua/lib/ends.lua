-- How a task ends, and how all that a call has gathered is written at once.

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
  local n = #index
  index[n + 1] = created_text(t.id)
  index[n + 2] = t.id
  if t.ckpt and state ~= 'failed' then call('DEL', t.key .. ':c') end
  -- The parent may be in another bucket: promote has it told.
  if t.parent then call('SADD', P .. 'news', t.parent) end
  moved(t, state)
  if t.gates then
    gates.leave_lines(t)
    gates.free(t, true)
  end
end

-- What a task waits for, in the words of store/explain.rs; then the Pod Manager that it is about.
local function in_words(why)
  if why == 'retry budget' then return 'tasks of its Pod Manager fail, and retries take turns' end
  local podm, part = match(why, '^gate podm:(.+):(%a+)$')
  if part == 'drain' then return 'Pod Manager ' .. podm .. ' is being drained: it begins no changes but deletions', podm end
  if podm then
    local b = call('HMGET', breaker_key(podm), 'until', 'why')
    if b[1] then return 'the circuit to Pod Manager ' .. podm .. ' is open: ' .. (b[2] or ''), podm end
    return 'the gate for ' .. (part == 'r' and 'reads' or 'changes') .. ' of Pod Manager ' .. podm .. ' is full', podm
  end
  local node = match(why, '^gate node:(.+)$')
  return node and 'other tasks of node ' .. node .. ' stand before it' or why
end

-- What held the task up last is said with it.
local function timeout_body(t)
  local detail, podm = 'the task did not end within its timeout', nil
  if t.why then
    local words
    words, podm = in_words(t.why)
    detail = detail .. '; it was held up: ' .. words
  end
  return cjson.encode({ error = {
    code = 'Timeout', title = 'Gateway Timeout', status = 504, retryable = true, detail = detail, podm_id = podm,
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
