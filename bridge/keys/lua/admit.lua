-- Lets one request in, and counts it, if no limit of its key is in the way; all in one step.
-- What `memory_limiter` does in memory, in the same order.
--
-- KEYS  state (hash: last, tokens), requests and tokens and running and held (sorted sets), then
--       one hash for each period: spent, used (tokens), seeded
-- ARGV  now, ticket, estimate, rpm, tpm, concurrent ("" is no limit), window, lease, cost and tokens
--       to be held, then for each quota: its kind, "spent" or "used", the place of its period, most
-- Gives which limit refused ("" for none), which quota, seconds to wait ("inf" for ever), requests,
-- their reset, tokens, their reset, seeded, and for each period what is spent and used. Numbers with
-- a fraction are strings, or Redis would cut them.

local state, requests, tokens, running, held = unpack(KEYS)
local now, estimate = tonumber(ARGV[1]), tonumber(ARGV[3])
local ticket, window, lease = ARGV[2], tonumber(ARGV[7]), tonumber(ARGV[8])
local rpm, tpm, concurrent = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local whole = {spent = tonumber(ARGV[9]), used = tonumber(ARGV[10])}
local FIRST_PERIOD, FIRST_QUOTA = 6, 11

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
redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
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
local refused, quota, wait = '', 0, 0

-- spent, used and seeded of each period, as Redis has them
local periods = {}
for i = FIRST_PERIOD, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'spent', 'used', 'seeded')
  table.insert(periods, {spent = found[1] or '0', used = found[2] or '0', seeded = found[3] or '0'})
end

-- Calls visit(place, kind, unit, used, most) for each quota until it gives true
local function any_quota(visit)
  for i = FIRST_QUOTA, #ARGV, 4 do
    local place, unit = (i - FIRST_QUOTA) / 4, ARGV[i + 1]
    local so_far = tonumber(periods[tonumber(ARGV[i + 2])][unit])
    if visit(place, ARGV[i], unit, so_far, tonumber(ARGV[i + 3])) then
      return true
    end
  end
  return false
end

-- Of two minutes in the way, the one that takes longer: a client that waits that long is let in.
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

local function is_used_up(place, kind, unit, amount_used, most)
  if amount_used >= most then
    refused, quota = kind, place
  end
  return refused ~= ''
end

-- "ticket:cost:tokens", the members of `held`: what running requests have reserved
local reserved = {spent = 0, used = 0}
local others = #periods > 0 and redis.call('ZRANGE', held, 0, -1) or {}
for _, member in ipairs(others) do
  local cost, count_of_tokens = string.match(member, ':(%d+):(%d+)$')
  reserved.spent = reserved.spent + tonumber(cost)
  reserved.used = reserved.used + tonumber(count_of_tokens)
end

local function is_reserved(place, kind, unit, amount_used, most)
  if amount_used + reserved[unit] + whole[unit] > most then
    refused, quota, wait = 'reserved', place, 1
  end
  return refused ~= ''
end

if not any_quota(is_used_up) then
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
  if refused == '' and #others > 0 then
    any_quota(is_reserved)
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
  if #periods > 0 then
    redis.call('ZADD', held, now + lease, ticket .. ':' .. ARGV[9] .. ':' .. ARGV[10])
    redis.call('EXPIRE', held, math.ceil(2 * lease))
  end
end

redis.call('HSET', state, 'last', now, 'tokens', used)
for _, key in ipairs({state, requests, tokens}) do
  redis.call('EXPIRE', key, math.ceil(2 * window))
end
local seeded, sums = '', {}
for _, period in ipairs(periods) do
  if seeded == '' or tonumber(period.seeded) < tonumber(seeded) then
    seeded = period.seeded
  end
  table.insert(sums, period.spent)
  table.insert(sums, period.used)
end
return {
  refused,
  quota,
  wait == math.huge and 'inf' or tostring(wait),
  count,
  tostring(reset(requests)),
  used,
  tostring(reset(tokens)),
  seeded == '' and '0' or seeded,
  unpack(sums),
}
