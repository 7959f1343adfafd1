#!lua flags=allow-oom
-- breaker: what came of requests to a Pod Manager, and what the circuit in front of it is from here on.
--
-- KEYS[1]   bucket prefix
-- ARGV[2]   Pod Manager
-- ARGV[3]   requests that were answered
-- ARGV[4]   requests that were not, or with 429, 502, 503 or 504
-- ARGV[5]   ms that it asked to be left alone for (Retry-After), or ''
-- ARGV[6]   what went wrong, one line, or ''
-- ARGV[7]   limits of its gates for changes and for reads unless they have their own, 'n m'
-- ARGV[8]   'silent' when it was asked and has answered nothing for a while, else ''
-- Returns   { 'closed', 'open', or 'back' when this has closed it; failures counted }
-- Keeps     silent, one at a time is let in (lib/gates.lua: room) until the next answer; while it is open, news of requests sent before is
--           ignored; half-open, the first news decides; the time that it asked for is kept, whatever it answers meanwhile
-- Cost      1 key; 6 when the circuit opens or closes, or a silent one answers
-- Callers   store::gates
-- Failures that open the circuit, in a row or as at least half of what was asked within the window. A row counts whatever was answered
-- before it: who has read much of a Pod Manager just before it falls silent does not keep the circuit closed.
local ENOUGH = 5
-- How long it stays open, ms: at first, and at most after a probe has failed again and again.
local FIRST, LONGEST = 5000, 60000
-- Longest that a Pod Manager may ask for, ms: a wrong header must not park its tasks for ever.
local LONGEST_ASKED = 600000
local podm, good, bad, asked = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local key = breaker_key(podm)
local limits = { match(ARGV[7], '^(%d+) (%d+)$') }
local own = { ['podm:' .. podm .. ':w'] = limits[1], ['podm:' .. podm .. ':r'] = limits[2] }
local b = call('HMGET', key, 'until', 'wait', 'since', 'calls', 'fails', 'later', 'row')
local open, wait, since, calls, fails, later, row = unpack(b)
open, wait, since, later = tonumber(open), tonumber(wait), tonumber(since), tonumber(later)
-- The answers came before the failures: those are told at once.
row = (good > 0 and 0 or tonumber(row) or 0) + bad
calls, fails = (tonumber(calls) or 0) + good + bad, (tonumber(fails) or 0) + bad

local function keep_out(from_now)
  local at = NOW + from_now
  for name in pairs(own) do gates.hurry(name, at) end
  return at
end

local function open_for(ms)
  call('HSET', key, 'until', keep_out(ms), 'wait', ms)
  call('HDEL', key, 'probe', 'probe_end')
  return 'open'
end

local function wake_all()
  for name, limit in pairs(own) do gates.wake(name, limit) end
end

local state = open and 'open' or 'closed'
if ARGV[8] == 'silent' then call('HSET', key, 'silent', NOW_TEXT) end
local was_silent = good > 0 and call('HDEL', key, 'silent') == 1
if ARGV[6] ~= '' then call('HSET', key, 'why', sub(ARGV[6], 1, 200)) end
if asked and NOW + math.min(asked, LONGEST_ASKED) > (later or 0) then
  call('HSET', key, 'later', keep_out(math.min(asked, LONGEST_ASKED)))
end
if open then
  call('HSET', key, 'fails', fails)
  if open <= NOW and bad > 0 then
    open_for(math.min(2 * (wait or FIRST), LONGEST))
  elseif open <= NOW and good > 0 then
    call('HDEL', key, 'until', 'wait', 'probe', 'probe_end', 'since', 'calls', 'fails', 'row', 'why')
    fails, state, was_silent = 0, 'back', true
  end
elseif since or bad > 0 then
  if not since or NOW - since > WINDOW then since, calls, fails, row = NOW, good + bad, bad, bad end
  if fails > 0 then
    call('HSET', key, 'since', since, 'calls', calls, 'fails', fails, 'row', row)
  else
    -- What failed is too long ago, and nothing has since: nothing is on record.
    call('HDEL', key, 'since', 'calls', 'fails', 'row')
  end
  if bad > 0 and (row >= ENOUGH or (fails >= ENOUGH and 2 * fails >= calls)) then state = open_for(FIRST) end
end
if state == 'open' or since or asked or ARGV[8] ~= '' then call('PEXPIRE', key, 86400000) end
if was_silent then wake_all() end
flush()
return { state, fails }
