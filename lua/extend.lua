#!lua flags=allow-oom
-- extend: a worker's heartbeat for all its tasks of a bucket.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   consumer
-- ARGV[3]   lease, ms
-- ARGV[4…]  per task: id, claim token
-- Returns   a letter per task: 'o' ok, 's' stop (a cancel was asked for), 'l' lost (the claim is somebody else's, or the task ended)
-- Keeps     a running task has an entry pending for its owner: one that vanished with its stream is made anew
-- Cost      1–2 keys a task
-- Callers   store::claims
local consumer, lease = ARGV[2], tonumber(ARGV[3])
local replies = {}
for i = 4, #ARGV, 2 do
  local t = load(ARGV[i])
  if held(t) and t.token == ARGV[i + 1] then
    local function claim_again(...)
      local extra = { ... }
      return with_group(t.lane, function()
        return redis.pcall('XCLAIM', stream_of(t.lane), GROUP, consumer, 0, t.entry, 'JUSTID', unpack(extra))
      end)
    end
    if #claim_again() == 0 and #claim_again('FORCE') == 0 then
      t.entry = call('XADD', stream_of(t.lane), '*', 't', t.id)
      call('HSET', t.key, 'entry', t.entry)
      claim_again('FORCE')
    end
    for name in each_gate(t) do
      if not is_fifo(name) then call('ZADD', gate_key(name), NOW + lease, t.id) end
    end
    replies[#replies + 1] = t.cancel and 's' or 'o'
  else
    replies[#replies + 1] = 'l'
  end
end
return table.concat(replies)
