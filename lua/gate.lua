#!lua flags=allow-oom
-- gate: a place in a gate for work that is no stored task (a sync read).
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   'acquire' or 'release'
-- ARGV[3]   gate name
-- ARGV[4]   holder, beginning with 'sync:'
-- ARGV[5]   limit unless the gate has one of its own
-- ARGV[6]   ms the place lasts without a release (acquire)
-- Returns   1 when the place is taken or given back, 0 when the gate is full
-- Cost      3 keys
-- Callers   store::gates
if ARGV[2] == 'release' then
  if call('ZREM', gate_key(ARGV[3]), ARGV[4]) == 1 then wake(ARGV[3], ARGV[5]) end
  flush()
  return 1
end
if room(ARGV[3], ARGV[5]) <= 0 then return 0 end
call('ZADD', gate_key(ARGV[3]), NOW + ARGV[6], ARGV[4])
return 1
