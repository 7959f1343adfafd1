#!lua flags=allow-oom
-- audit: adds lines to the audit log and keeps it at its cap. Also while Redis is full: at its cap it does not grow.
--
-- KEYS[1]   the stream
-- ARGV[1]   lines to keep, about
-- ARGV[2..] the lines, a JSON object each
-- Returns   how many were added
-- Cost      1 key. Stands alone: it needs nothing of lib/.
-- Callers   store::audit
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[i])
end
return #ARGV - 1
