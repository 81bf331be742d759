-- Puts what a request used in place of its estimate, and gives back its place, for each account.
--
-- KEYS  as in admit.lua
-- ARGV  now, ticket, estimate, tokens used, cost, window, the cost and the tokens that were held, number
--       of accounts; for each account "1" if the minute's tokens count, how many periods it has, and for
--       each of them the seconds until it may be forgotten

local ticket, estimate, used = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local window = tonumber(ARGV[6])
local BOOKS = 5

-- The sum in `state` is kept up only where there is one; admit.lua makes it anew otherwise.
local function book_tokens(state, difference)
  if redis.call('HEXISTS', state, 'tokens') == 1 then
    redis.call('HINCRBY', state, 'tokens', difference)
  end
end

local function count_minute(state, requests, tokens)
  local now = tonumber(ARGV[1])
  local last = tonumber(redis.call('HGET', state, 'last') or now)
  if last > now + window then
    redis.call('DEL', state, requests, tokens)
  else
    now = math.max(now, last)
  end
  local reserved = ticket .. ':' .. ARGV[3]
  local at = redis.call('ZSCORE', tokens, reserved)
  if at and used < estimate then
    redis.call('ZREM', tokens, reserved)
    redis.call('ZADD', tokens, at, ticket .. ':' .. ARGV[4])
    book_tokens(state, used - estimate)
  elseif used > estimate then
    redis.call('ZADD', tokens, now, string.format('%s+:%.0f', ticket, used - estimate))
    book_tokens(state, used - estimate)
  end
  redis.call('HSET', state, 'last', now)
  redis.call('EXPIRE', state, math.ceil(2 * window))
  redis.call('EXPIRE', tokens, math.ceil(2 * window))
end

local key, place = 1, 10
for _ = 1, tonumber(ARGV[9]) do
  local periods = tonumber(ARGV[place + 1])
  redis.call('ZREM', KEYS[key + 3], ticket)
  redis.call('ZREM', KEYS[key + 4], ticket .. ':' .. ARGV[7] .. ':' .. ARGV[8])
  for i = 0, periods - 1 do
    local sums = KEYS[key + BOOKS + i]
    redis.call('HINCRBY', sums, 'spent', ARGV[5])
    redis.call('HINCRBY', sums, 'used', ARGV[4])
    redis.call('EXPIRE', sums, ARGV[place + 2 + i])
  end
  if ARGV[place] == '1' then
    count_minute(KEYS[key], KEYS[key + 1], KEYS[key + 2])
  end
  key, place = key + BOOKS + periods, place + 2 + periods
end
