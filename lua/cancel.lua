#!lua flags=allow-oom
-- cancel: ends a task that nothing was done for, and asks a started one to undo what it did.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id
-- Returns   'missing', 'ended' (too late), 'cancelled' (now), 'cancelling' (asked before), or
--           'asked <worker>' (its worker is to be told; empty when none holds it)
-- Keeps     an undelivered entry is never deleted: claim drops it. A task whose changing request may still be running at
--           the PODM stays in quarantine before its undo looks there
-- Cost      about 6 keys
-- Callers   store::tasks
local t = load(ARGV[2])
if not t.state then return 'missing' end
if ENDED[t.state] then return 'ended' end
if t.state == 'cancelling' then return 'cancelling' end
if held(t) then
  remember_run(t)
  remember(t, NOW, 'cancelling', t.worker, t.attempt)
  call('HSET', t.key, 'cancel', '1', 'state', 'cancelling')
  moved(t, 'cancelling')
  flush()
  return 'asked ' .. (t.worker or '')
end
if not t.ckpt then
  call('ZREM', P .. 'delayed', t.id)
  finish(t, 'cancelled')
  flush()
  return 'cancelled'
end
remember(t, NOW, 'cancelling')
local in_stream = t.state == 'queued'
call('HSET', t.key, 'cancel', '1', 'state', 'cancelling', 'token', '')
if in_stream or t.out then
  moved(t, 'cancelling')
else
  call('ZREM', P .. 'delayed', t.id)
  push(t, 'cancelling')
end
flush()
return 'asked '
