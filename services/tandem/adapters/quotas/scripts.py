"""The quota sums as scripts that a Redis runs whole: `admission/bucket.py` in its language, by the server's clock.

A bucket is a hash of what was used and when (microseconds); the running requests are a sorted set of lease ids by the
millisecond at which they end. Every key expires once it says nothing any more. Numbers travel as text: Redis cuts
fractions off otherwise.
"""

_SUMS = """
local WINDOW_US, ROUNDING = 60000000, 1e-6

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function used_of(key, limit, now)
  local state = redis.call('HMGET', key, 'used', 'at')
  if not state[1] then return 0 end
  -- The clock of a server that took over may be behind: then the window refills from its now on.
  if now < tonumber(state[2]) then redis.call('HSET', key, 'at', string.format('%.0f', now)) end
  local drained = math.max(0, now - tonumber(state[2])) * limit / WINDOW_US
  return math.max(0, math.min(limit, tonumber(state[1])) - drained)
end

local function keep(key, used, limit, now)
  if used <= 0 then redis.call('DEL', key) return 0 end
  redis.call('HSET', key, 'used', string.format('%.17g', used), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil(used * 60000 / limit) + 1000)
  return used
end

local function wait_s(used, amount, limit)
  local missing = used + amount - limit
  if missing > ROUNDING then return missing * 60 / limit end
  return 0
end

local function text(number) return string.format('%.17g', number) end
"""

ENTER = (
    _SUMS
    + """
local requests_key, tokens_key, running_key = KEYS[1], KEYS[2], KEYS[3]
local requests, tokens, slots = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lease, lease_ms = ARGV[4], tonumber(ARGV[5])
local now = now_us()
local used = requests > 0 and used_of(requests_key, requests, now) or 0
local used_tokens = tokens > 0 and used_of(tokens_key, tokens, now) or 0
local wait = requests > 0 and wait_s(used, 1, requests) or 0
if wait > 0 then return {'requests', text(wait), text(used), text(used_tokens)} end
if slots > 0 then
  local now_ms = math.floor(now / 1000)
  redis.call('ZREMRANGEBYSCORE', running_key, '-inf', now_ms)
  if redis.call('ZCARD', running_key) >= slots then
    return {'concurrency', '0', text(used), text(used_tokens)}
  end
  redis.call('ZADD', running_key, now_ms + lease_ms, lease)
  redis.call('PEXPIRE', running_key, lease_ms + 1000)
end
if requests > 0 then used = keep(requests_key, math.min(requests, used + 1), requests, now) end
return {'', '0', text(used), text(used_tokens)}
"""
)

RENEW = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
for place = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now_ms + ARGV[1], ARGV[place]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1] + 1000)
"""

RESERVE = (
    _SUMS
    + """
local limit, amount, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_us()
local used = used_of(KEYS[1], limit, now)
local wait = wait_s(used, amount, limit)
if wait > 0 then return {text(wait), text(used)} end
return {'0', text(keep(KEYS[1], math.min(limit, used + amount), limit, now))}
"""
)

SETTLE = (
    _SUMS
    + """
local limit, back, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_us()
local used = used_of(KEYS[1], limit, now) - back
return text(keep(KEYS[1], math.min(limit, math.max(0, used)), limit, now))
"""
)
