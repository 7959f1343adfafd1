#!lua flags=allow-oom
-- line: nodes that wait for a place at a Pod Manager, in lines of those that are alike: of one caller, wanted the same.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   what: join | leave | call | look
-- ARGV[3]   the line; look: at most so many lines
-- ARGV[4]   join, leave: the task; call: at most so many
-- ARGV[5]   join: where it stands, less is earlier
-- ARGV[6]   join: what the line wants, JSON
-- Returns   join: how many stand before the task; leave: 1 when it stood there; call: those that may come, taken out, the first of them first; look: per line,
--           the first of them first, { name, where its first stands, how many, what it wants }; then all that are called
-- Keeps     a line is in the index exactly while somebody stands in it; who was taken out is in `called` (task → '<since ms> <line>') until it
--           stands in a line again, or leaves
-- Cost      4 keys; look: 2 a line
-- Callers   store::lines, store::calls
local what, name = ARGV[2], ARGV[3]

if what == 'look' then
  local lines = {}
  local flat = call('ZRANGE', P .. 'lines', 0, name - 1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local n = call('ZCARD', P .. 'line:' .. flat[i])
    lines[#lines + 1] = { flat[i], flat[i + 1], n, call('HGET', P .. 'line-wants', flat[i]) or '' }
  end
  return { lines, call('HGETALL', P .. 'called') }
end

local function keep_index()
  local first = call('ZRANGE', P .. 'line:' .. name, 0, 0, 'WITHSCORES')
  if first[2] then
    call('ZADD', P .. 'lines', first[2], name)
  else
    call('ZREM', P .. 'lines', name)
    call('HDEL', P .. 'line-wants', name)
  end
end

local reply
if what == 'call' then
  reply = {}
  local flat = call('ZPOPMIN', P .. 'line:' .. name, ARGV[4])
  for i = 1, #flat, 2 do
    reply[#reply + 1] = flat[i]
    call('HSET', P .. 'called', flat[i], NOW_TEXT .. ' ' .. name)
  end
elseif what == 'join' then
  call('HDEL', P .. 'called', ARGV[4])
  call('ZADD', P .. 'line:' .. name, ARGV[5], ARGV[4])
  call('HSET', P .. 'line-wants', name, ARGV[6])
  reply = call('ZRANK', P .. 'line:' .. name, ARGV[4])
else
  call('HDEL', P .. 'called', ARGV[4])
  reply = call('ZREM', P .. 'line:' .. name, ARGV[4])
end
keep_index()
return reply
