#!lua
-- redrive: gives a failed or cancelled task a new life; its history stays.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id
-- ARGV[3]   timeout, ms
-- ARGV[4]   quarantine, ms
-- Returns   'ok', 'missing', or 'state <state>' when the state forbids it
-- Cost      about 6 keys. No allow-oom: it is new work.
-- Callers   store::tasks
local t = load(ARGV[2])
if not t.state then return 'missing' end
if t.state ~= 'failed' and t.state ~= 'cancelled' then return 'state ' .. t.state end
if t.started then remember_run(t) end
-- What the life that ends now failed of: its body goes, the history keeps the words.
local why
local stored, safely = call('GET', t.key .. ':r') or '', pcall
local told, body = safely(cjson.decode, stored)
if told and type(body) == 'table' and type(body.error) == 'table' and type(body.error.detail) == 'string' then
  why = sub(string.gsub(body.error.detail, '%c', ' '), 1, 500)
end
remember(t, tonumber(t.finished) or NOW, t.state, nil, nil, why)
remember(t, NOW, 'queued', '', '', 'redriven')
call('HDEL', t.key, 'finished', 'started', 'cancel', 'ending', 'crashes', 'crash_at', 'token', 'settled', 'wake', 'err', 'again')
-- What was cancelled was undone: nothing is left to go on from, or to undo.
if t.state == 'cancelled' then call('HDEL', t.key, 'ckpt') end
if claims_of(t) then call('HSET', t.key, 'claims', claims_of(t)) end
call('HSET', t.key, 'attempt', 0, 'deadline', NOW + ARGV[3], 'gen', (tonumber(t.gen) or 1) + 1)
call('DEL', t.key .. ':r', t.key .. ':p')
call('ZREM', P .. 'dead', t.id)
call('ZREM', P .. 'done', t.id)
call('ZADD', P .. 'live', created(t.id), t.id)
if t.gates then
  -- Nobody waits for its end any more.
  t.gates = string.gsub(t.gates, ' within:%d+', '')
  call('HSET', t.key, 'gates', t.gates)
  gates.line_up(t)
end
local quiet_at = (tonumber(t.finished) or NOW) + ARGV[4]
if t.out and quiet_at > NOW then
  delay(t, 'retrying', quiet_at, 'quarantine')
else
  push(t, 'queued')
end
flush()
return 'ok'
