-- Puts what a request used in place of its estimate, and gives back its place.
--
-- KEYS  as in admit.lua
-- ARGV  now, ticket, estimate, tokens used, cost, "1" if the minute's tokens count, window, the cost
--       and the tokens that were held, then for each period the seconds until it may be forgotten

local state, requests, tokens, running, held = unpack(KEYS)
local now, window = tonumber(ARGV[1]), tonumber(ARGV[7])
local ticket, estimate, used = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

redis.call('ZREM', running, ticket)

redis.call('ZREM', held, ticket .. ':' .. ARGV[8] .. ':' .. ARGV[9])
for i = 6, #KEYS do
  redis.call('HINCRBY', KEYS[i], 'spent', ARGV[5])
  redis.call('HINCRBY', KEYS[i], 'used', ARGV[4])
  redis.call('EXPIRE', KEYS[i], ARGV[i + 4])
end

-- The sum in `state` is kept up only where there is one; admit.lua makes it anew otherwise.
local function book(difference)
  if redis.call('HEXISTS', state, 'tokens') == 1 then
    redis.call('HINCRBY', state, 'tokens', difference)
  end
end

if ARGV[6] == '1' then
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
    book(used - estimate)
  elseif used > estimate then
    redis.call('ZADD', tokens, now, string.format('%s+:%.0f', ticket, used - estimate))
    book(used - estimate)
  end
  redis.call('HSET', state, 'last', now)
  redis.call('EXPIRE', state, math.ceil(2 * window))
  redis.call('EXPIRE', tokens, math.ceil(2 * window))
end
