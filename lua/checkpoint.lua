#!lua flags=allow-oom
-- checkpoint: saves a handler's step under its claim, and whether a changing request is about to be sent.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   task id
-- ARGV[3]   claim token
-- ARGV[4]   data, JSON; '' when nothing was begun after all: then it is as if nothing had ever been saved
-- ARGV[5]   '1' when a changing PODM request is outstanding from here on, '' when its answer was seen
-- Returns   'ok', 'stop' (saved, and a cancel was asked for) or 'lost' (nothing saved)
-- Cost      2 keys
-- Callers   store::claims
local t = load(ARGV[2])
if not (held(t) and t.token == ARGV[3]) then
  bump(t.lane or 'unknown', 'fenced', 1)
  flush()
  return 'lost'
end
if ARGV[4] == '' then
  call('DEL', t.key .. ':c')
else
  call('SET', t.key .. ':c', ARGV[4])
end
call('HSET', t.key, 'ckpt', ARGV[4] == '' and '' or '1', 'out', ARGV[5])
return t.cancel and 'stop' or 'ok'
