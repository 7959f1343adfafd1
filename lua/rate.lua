#!lua flags=allow-oom
-- rate: takes tokens out of a caller's bucket, which fills at a steady rate; it holds for all API processes together.
-- Also while Redis is full: buckets are small and go by themselves.
--
-- KEYS[1]   the bucket, a hash: tokens, at (ms)
-- ARGV[1]   tokens that come in a second
-- ARGV[2]   tokens it holds at most
-- ARGV[3]   tokens wanted
-- Returns   tokens given (0 when there is not one), ms until there is one
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::rates
local rate, most, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(had[1]) or most, tonumber(had[2]) or now
tokens = math.min(most, tokens + math.max(0, now - at) * rate / 1000)
local given = math.min(want, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tokens - given, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(most * 1000 / rate) + 1000)
if given > 0 then return { given, 0 } end
return { 0, math.ceil((1 - tokens) * 1000 / rate) }
