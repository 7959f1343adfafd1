#!lua flags=allow-oom
-- reserve: hardware of a Pod Manager that is spoken for, from the choice until an inventory counts the node.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   what: take | done | drop | freed
-- ARGV[3]   the Pod Manager
-- ARGV[4]   the task (take, done, drop)
-- ARGV[5]   take: the shape; done: ms the compose took, '' when no node came of it and what is left there is for an inventory to count
-- ARGV[6]   take: how many of the shape may be reserved at once; '' when nobody knows
-- ARGV[7]   take: when the inventory that says so was read, ms; 0 without one
-- ARGV[8]   ms: take: how long it lasts; done: how long it lasts without an inventory that counts the node
-- ARGV[9]   ms by which an inventory must be younger than a node to count it
-- ARGV[10]  take: how many changes may begin there at once
-- Returns   take: 'ok' (also when the task has one here), 'full', 'busy' when it does as much at once as it may, or 'stale' when a newer
--           inventory was used before; then all fields of the reservations, which are what stands now; then how many changes run or wait there.
--           Else 'ok'.
-- Cost      3 keys, one field a reservation of this Pod Manager
-- Callers   store::reservations
--
-- The hash: task → '<done ms, 0 while composing> <end ms> <begun ms> <shape>'; '!at' the newest inventory used, '!freed' when hardware was last
-- given back, '!back' how much was since an inventory that was used can tell, '!took' ms that a compose takes of late.
local KEPT = 7 * 86400000
local key, what, task = P .. 'reserved:' .. ARGV[3], ARGV[2], ARGV[4]

local function parse(value)
  local done, ends, begun, shape = match(value, '^(%d+) (%d+) (%d+) (.*)$')
  return tonumber(done), tonumber(ends) or 0, shape, begun
end

local function text(n)
  return string.format('%.0f', n)
end

if what == 'freed' then
  call('HSET', key, '!freed', text(NOW))
  call('HINCRBY', key, '!back', 1)
elseif what == 'drop' then
  call('HDEL', key, task)
  return { 'ok' }
elseif what == 'done' then
  local value = call('HGET', key, task)
  local done, ends, shape, begun
  if value then done, ends, shape, begun = parse(value) end
  if done == 0 then
    local before = tonumber(call('HGET', key, '!took'))
    local took = tonumber(ARGV[5])
    call('HSET', key, task, text(NOW) .. ' ' .. text(NOW + ARGV[8]) .. ' ' .. begun .. ' ' .. shape)
    if took then call('HSET', key, '!took', text(before and before * 0.7 + took * 0.3 or took)) end
  end
else
  local at, flat = tonumber(ARGV[7]), call('HGETALL', key)
  local gate = 'podm:' .. ARGV[3] .. ':w'
  local in_flight = call('ZCOUNT', gate_key(gate), '(' .. text(NOW), '+inf') + call('ZCARD', wait_key(gate))
  local known, count, begun, mine, gone = {}, 0, 0, false, {}
  for i = 1, #flat, 2 do
    if sub(flat[i], 1, 1) == '!' then known[flat[i]] = tonumber(flat[i + 1]) end
  end
  local seen = known['!at'] or 0
  if at < seen then return { 'stale', flat, in_flight } end
  for i = 1, #flat, 2 do
    if sub(flat[i], 1, 1) ~= '!' then
      local done, ends, shape = parse(flat[i + 1])
      if ends <= NOW or (done > 0 and done + ARGV[9] <= at) then
        gone[#gone + 1] = flat[i]
      elseif flat[i] == task then
        mine = true
      else
        if done == 0 then begun = begun + 1 end
        if shape == ARGV[5] then count = count + 1 end
      end
    end
  end
  if known['!back'] and known['!freed'] + ARGV[9] <= at then gone[#gone + 1] = '!back' end
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
  if at > seen then call('HSET', key, '!at', text(at)) end
  local said = 'ok'
  if not mine and ARGV[6] ~= '' and count >= tonumber(ARGV[6]) then
    said = 'full'
  elseif not mine and math.max(begun, in_flight) >= tonumber(ARGV[10]) then
    said = 'busy'
  end
  if not mine and said == 'ok' then call('HSET', key, task, '0 ' .. text(NOW + ARGV[8]) .. ' ' .. text(NOW) .. ' ' .. ARGV[5]) end
  call('PEXPIRE', key, KEPT)
  return { said, call('HGETALL', key), in_flight }
end
call('PEXPIRE', key, KEPT)
return { 'ok' }
