-- Lets one request in, and counts it, if no limit of its key is in the way; all in one step.
-- What `local_counters` does in memory, in the same order.
--
-- KEYS  state (hash: last, tokens), requests and tokens and running (sorted sets), spending (hash)
-- ARGV  now, ticket, estimate, rpm, tpm, concurrent, budget ("" is no limit), window, lease
-- Gives which limit refused ("" for none), seconds to wait ("inf" for ever), requests, their reset,
-- tokens, their reset, spent, seeded. Numbers with a fraction are strings, or Redis would cut them.

local state, requests, tokens, running, spending = unpack(KEYS)
local now, estimate = tonumber(ARGV[1]), tonumber(ARGV[3])
local ticket, window, lease = ARGV[2], tonumber(ARGV[8]), tonumber(ARGV[9])
local rpm, tpm = tonumber(ARGV[4]), tonumber(ARGV[5])
local concurrent, budget = tonumber(ARGV[6]), tonumber(ARGV[7])

-- "ticket:amount", the members of `tokens`
local function amount(member)
  return tonumber(string.match(member, ':(%d+)$'))
end

local function sum(members)
  local total = 0
  for _, member in ipairs(members) do
    total = total + amount(member)
  end
  return total
end

-- Seconds until nothing is counted any more
local function reset(key)
  local newest = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  return newest[2] and tonumber(newest[2]) + window - now or 0
end

-- Time never goes back, whichever process asks; a clock that was set back is believed in the end.
local last = tonumber(redis.call('HGET', state, 'last') or now)
if last > now + window then
  redis.call('DEL', state, requests, tokens)
else
  now = math.max(now, last)
end

redis.call('ZREMRANGEBYSCORE', requests, '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', running, '-inf', now)
local over = redis.call('ZRANGEBYSCORE', tokens, '-inf', now - window)
local used = tonumber(redis.call('HGET', state, 'tokens') or nil)
if used and redis.call('ZCARD', tokens) > 0 then
  used = used - sum(over)
  redis.call('ZREMRANGEBYSCORE', tokens, '-inf', now - window)
else
  redis.call('ZREMRANGEBYSCORE', tokens, '-inf', now - window)
  used = sum(redis.call('ZRANGE', tokens, 0, -1))
end

local count = redis.call('ZCARD', requests)
local spent = redis.call('HGET', spending, 'spent') or '0'
local refused, wait = '', 0

-- Of two minutes in the way, the one that takes longer: who waits as told is let in.
local function refuse(limit, seconds)
  if refused == '' or seconds > wait then
    refused, wait = limit, seconds
  end
end

local function until_free(score)
  return tonumber(score) + window - now
end

-- Seconds until so many tokens have left the window
local function until_room(excess)
  local position = 0
  repeat
    local entries = redis.call('ZRANGE', tokens, position, position + 99, 'WITHSCORES')
    for i = 1, #entries, 2 do
      excess = excess - amount(entries[i])
      if excess <= 0 then
        return until_free(entries[i + 1])
      end
    end
    position = position + 100
  until #entries == 0
  return math.huge
end

if budget and tonumber(spent) >= budget then
  refused = 'budget'
else
  if rpm and count + 1 > rpm then
    local blocking = redis.call('ZRANGE', requests, count - rpm, count - rpm, 'WITHSCORES')
    refuse('requests', rpm > 0 and until_free(blocking[2]) or math.huge)
  end
  if tpm and used + estimate > tpm then
    refuse('tokens', until_room(used + estimate - tpm))
  end
  if refused == '' and concurrent and redis.call('ZCARD', running) >= concurrent then
    refuse('concurrent', 1)
  end
end

if refused == '' then
  if rpm then
    redis.call('ZADD', requests, now, ticket)
    count = count + 1
  end
  if tpm and estimate > 0 then
    redis.call('ZADD', tokens, now, ticket .. ':' .. ARGV[3])
    used = used + estimate
  end
  if concurrent then
    redis.call('ZADD', running, now + lease, ticket)
    redis.call('EXPIRE', running, math.ceil(2 * lease))
  end
end

redis.call('HSET', state, 'last', now, 'tokens', used)
for _, key in ipairs({state, requests, tokens}) do
  redis.call('EXPIRE', key, math.ceil(2 * window))
end
return {
  refused,
  wait == math.huge and 'inf' or tostring(wait),
  count,
  tostring(reset(requests)),
  used,
  tostring(reset(tokens)),
  spent,
  redis.call('HGET', spending, 'seeded') or '0',
}
