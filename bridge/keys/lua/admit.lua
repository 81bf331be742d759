-- Lets one request in, and counts it for each of its accounts, if no limit of any of them is in the
-- way; all in one step. What `memory_limiter` does in memory, in the same order.
--
-- KEYS  for each account: state (hash: last, tokens), requests and tokens and running and held (sorted
--       sets), then one hash for each of its periods: spent, used (tokens), seeded
-- ARGV  now, ticket, estimate, window, lease, cost and tokens to be held, number of accounts; for each
--       account rpm, tpm, concurrent ("" is no limit) and how many periods it has; then for each quota
--       its kind, "spent" or "used", the place of its account, of its period there, and most
-- Gives which limit refused ("" for none), whose (from 0), which quota (from 0), seconds to wait ("inf"
-- for ever); for each account requests, their reset, tokens, their reset, seeded, and for each period
-- what is spent and used. Numbers with a fraction are strings, or Redis would cut them.

local now, ticket, estimate = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local window, lease = tonumber(ARGV[4]), tonumber(ARGV[5])
local whole = {spent = tonumber(ARGV[6]), used = tonumber(ARGV[7])}
local BOOKS, FIRST_ACCOUNT = 5, 9

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

-- Time never goes back, whichever process asks; a clock that was set back is believed in the end.
local function turn(book)
  local last = tonumber(redis.call('HGET', book.state, 'last') or now)
  if last > now + window then
    redis.call('DEL', book.state, book.requests, book.tokens)
    book.now = now
  else
    book.now = math.max(now, last)
  end
end

-- Forgets what is over, and counts what is left.
local function trim(book)
  local over = book.now - window
  redis.call('ZREMRANGEBYSCORE', book.requests, '-inf', over)
  redis.call('ZREMRANGEBYSCORE', book.running, '-inf', book.now)
  redis.call('ZREMRANGEBYSCORE', book.held, '-inf', book.now)
  local used = tonumber(redis.call('HGET', book.state, 'tokens') or nil)
  if used and redis.call('ZCARD', book.tokens) > 0 then
    book.used = used - sum(redis.call('ZRANGEBYSCORE', book.tokens, '-inf', over))
    redis.call('ZREMRANGEBYSCORE', book.tokens, '-inf', over)
  else
    redis.call('ZREMRANGEBYSCORE', book.tokens, '-inf', over)
    book.used = sum(redis.call('ZRANGE', book.tokens, 0, -1))
  end
  book.count = redis.call('ZCARD', book.requests)
end

-- "ticket:cost:tokens", the members of `held`: what running requests have reserved
local function read_held(book)
  book.reserved, book.others = {spent = 0, used = 0}, 0
  for _, member in ipairs(#book.periods > 0 and redis.call('ZRANGE', book.held, 0, -1) or {}) do
    local cost, tokens = string.match(member, ':(%d+):(%d+)$')
    book.reserved.spent = book.reserved.spent + tonumber(cost)
    book.reserved.used = book.reserved.used + tonumber(tokens)
    book.others = book.others + 1
  end
end

-- spent, used and seeded of each period, as Redis has them
local function read_periods(book, first, number)
  book.periods = {}
  for i = first, first + number - 1 do
    local found = redis.call('HMGET', KEYS[i], 'spent', 'used', 'seeded')
    table.insert(
      book.periods,
      {spent = found[1] or '0', used = found[2] or '0', seeded = found[3] or '0'}
    )
  end
end

local books, key = {}, 1
for account = 1, tonumber(ARGV[8]) do
  local first = FIRST_ACCOUNT + 4 * (account - 1)
  local book = {
    rpm = tonumber(ARGV[first]), tpm = tonumber(ARGV[first + 1]),
    concurrent = tonumber(ARGV[first + 2]),
    state = KEYS[key], requests = KEYS[key + 1], tokens = KEYS[key + 2],
    running = KEYS[key + 3], held = KEYS[key + 4],
  }
  local periods = tonumber(ARGV[first + 3])
  turn(book)
  trim(book)
  read_periods(book, key + BOOKS, periods)
  read_held(book)
  table.insert(books, book)
  key = key + BOOKS + periods
end

local refused, account, quota, wait = '', 0, 0, 0

-- Calls visit(book, unit, used, most) for each quota until it gives what is in the way
local function any_quota(visit)
  for i = FIRST_ACCOUNT + 4 * #books, #ARGV, 5 do
    local book, unit = books[tonumber(ARGV[i + 2])], ARGV[i + 1]
    local so_far = tonumber(book.periods[tonumber(ARGV[i + 3])][unit])
    local found = visit(ARGV[i], book, unit, so_far, tonumber(ARGV[i + 4]))
    if found then
      refused, account = found, tonumber(ARGV[i + 2]) - 1
      quota = (i - FIRST_ACCOUNT - 4 * #books) / 5
      return
    end
  end
end

-- Of several minutes in the way, the one that takes longest: who waits that long is let in.
local function refuse(limit, place, seconds)
  if refused == '' or seconds > wait then
    refused, account, wait = limit, place - 1, seconds
  end
end

local function until_free(book, score)
  return tonumber(score) + window - book.now
end

-- Seconds until so many tokens have left the window
local function until_room(book, excess)
  local position = 0
  repeat
    local entries = redis.call('ZRANGE', book.tokens, position, position + 99, 'WITHSCORES')
    for i = 1, #entries, 2 do
      excess = excess - amount(entries[i])
      if excess <= 0 then
        return until_free(book, entries[i + 1])
      end
    end
    position = position + 100
  until #entries == 0
  return math.huge
end

local function until_request(book)
  if book.rpm == 0 then
    return math.huge
  end
  local place = book.count - book.rpm
  return until_free(book, redis.call('ZRANGE', book.requests, place, place, 'WITHSCORES')[2])
end

any_quota(function(kind, _, _, so_far, most)
  return so_far >= most and kind
end)
if refused == '' then
  for place, book in ipairs(books) do
    if book.rpm and book.count + 1 > book.rpm then
      refuse('requests', place, until_request(book))
    end
    if book.tpm and book.used + estimate > book.tpm then
      refuse('tokens', place, until_room(book, book.used + estimate - book.tpm))
    end
  end
end
if refused == '' then
  for place, book in ipairs(books) do
    if refused == '' and book.concurrent
      and redis.call('ZCARD', book.running) >= book.concurrent then
      refuse('concurrent', place, 1)
    end
  end
end
if refused == '' then
  any_quota(function(_, book, unit, so_far, most)
    local is_over = so_far + book.reserved[unit] + whole[unit] > most
    return book.others > 0 and is_over and 'reserved'
  end)
  wait = refused == '' and 0 or 1
end

local function count_request(book)
  if book.rpm then
    redis.call('ZADD', book.requests, book.now, ticket)
    book.count = book.count + 1
  end
  if book.tpm and estimate > 0 then
    redis.call('ZADD', book.tokens, book.now, ticket .. ':' .. ARGV[3])
    book.used = book.used + estimate
  end
  if book.concurrent then
    redis.call('ZADD', book.running, book.now + lease, ticket)
    redis.call('EXPIRE', book.running, math.ceil(2 * lease))
  end
  if #book.periods > 0 then
    redis.call('ZADD', book.held, book.now + lease, ticket .. ':' .. ARGV[6] .. ':' .. ARGV[7])
    redis.call('EXPIRE', book.held, math.ceil(2 * lease))
  end
end

-- Seconds until nothing is counted any more
local function reset(book, name)
  local newest = redis.call('ZREVRANGE', name, 0, 0, 'WITHSCORES')
  return newest[2] and until_free(book, newest[2]) or 0
end

local answer = {refused, account, quota, wait == math.huge and 'inf' or tostring(wait)}
for _, book in ipairs(books) do
  if refused == '' then
    count_request(book)
  end
  redis.call('HSET', book.state, 'last', book.now, 'tokens', book.used)
  for _, name in ipairs({book.state, book.requests, book.tokens}) do
    redis.call('EXPIRE', name, math.ceil(2 * window))
  end
  table.insert(answer, book.count)
  table.insert(answer, tostring(reset(book, book.requests)))
  table.insert(answer, book.used)
  table.insert(answer, tostring(reset(book, book.tokens)))
  local seeded = ''
  for _, period in ipairs(book.periods) do
    if seeded == '' or tonumber(period.seeded) < tonumber(seeded) then
      seeded = period.seeded
    end
  end
  table.insert(answer, seeded == '' and '0' or seeded)
  for _, period in ipairs(book.periods) do
    table.insert(answer, period.spent)
    table.insert(answer, period.used)
  end
end
return answer
