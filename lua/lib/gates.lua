-- Gates: how many at once may ask a Pod Manager, and one task at a time for a node; circuits, retry budgets, and who waits in line.

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
    if limits[name] == nil then limits[name] = typed(redis.pcall('HGET', P .. 'limits', name)) or false end
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

  -- A probe that ends without news leaves its place to the next, also where that stands in another line.
  function gates.end_probe(name, holder)
    local podm = podm_of(name)
    if podm and not calm[podm] and call('HGET', breaker_key(podm), 'probe') == holder then
      call('HDEL', breaker_key(podm), 'probe', 'probe_end')
      gates.hurry('podm:' .. podm .. ':w', NOW)
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
    if t.started or t.ckpt or t.cancel or t.ending or match(t.gates, ' out$') then return false end
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
