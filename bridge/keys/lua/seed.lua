-- The ledger knows of so much used: the greater of the two sums counts, since the ledger lags
-- behind and Redis forgets.
--
-- KEYS  a period
-- ARGV  spent, used, now, seconds until it may be forgotten

for i, name in ipairs({'spent', 'used'}) do
  local counted = tonumber(redis.call('HGET', KEYS[1], name) or '0')
  if tonumber(ARGV[i]) > counted then
    redis.call('HSET', KEYS[1], name, ARGV[i])
  end
end
redis.call('HSET', KEYS[1], 'seeded', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
