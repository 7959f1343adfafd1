#!lua flags=allow-oom
-- gate: a place in a gate for what is no stored task: a sync read, or a process's session at a Pod Manager.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   'acquire' or 'release'
-- ARGV[3]   gate name
-- ARGV[4]   holder, beginning with 'sync:'
-- ARGV[5]   limit unless the gate has one of its own
-- ARGV[6]   ms the place lasts without a release (acquire); asked again by its holder, so long from then on
-- Returns   1 when the place is taken or given back, 0 when the gate is full, -n when nobody is let in for n ms (open circuit)
-- Cost      4 keys
-- Callers   store::gates
local name, holder = ARGV[3], ARGV[4]
if ARGV[2] == 'release' then
  gates.end_probe(name, holder)
  call('ZREM', gate_key(name), holder)
  gates.wake(name, ARGV[5])
  flush()
  return 1
end
-- A place that has lapsed is nobody's.
if (tonumber(call('ZSCORE', gate_key(name), holder)) or 0) > NOW then
  call('ZADD', gate_key(name), NOW + ARGV[6], holder)
  return 1
end
local free, most, shut = gates.room(name, ARGV[5])
if shut then return NOW - shut end
if free <= 0 then return 0 end
if most then gates.begin_probe(podm_of(name), holder) end
call('ZADD', gate_key(name), NOW + ARGV[6], holder)
return 1
