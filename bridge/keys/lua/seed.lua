-- The ledger knows of so much spent: the greater of the two sums counts, since the ledger lags
-- behind and Redis forgets.
--
-- KEYS  spending
-- ARGV  spent, now, seconds until it may be forgotten

local spent = tonumber(redis.call('HGET', KEYS[1], 'spent') or '0')
if tonumber(ARGV[1]) > spent then
  redis.call('HSET', KEYS[1], 'spent', ARGV[1])
end
redis.call('HSET', KEYS[1], 'seeded', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
