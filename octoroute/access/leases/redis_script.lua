-- One batch of an owner, as octoroute/access/leases/base.py defines it. All keys have one hash tag, so that a cluster keeps them together.
-- KEYS: owners (sorted set: id by expiry in ms), the owner's hash, the set of windows that it holds, then one hash for each window.
-- A window's hash: "spent", and "held:OWNER" for each owner. ARGV[1]: the batch as JSON; windows are named by their place from 1.
local batch = cjson.decode(ARGV[1])
local owners, mine, my_windows = KEYS[1], KEYS[2], KEYS[3]
local field = 'held:' .. batch.owner
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

local function release(windows, held_field)
  for _, window in ipairs(redis.call('SMEMBERS', windows)) do
    redis.call('HDEL', window, held_field)
  end
  redis.call('DEL', windows)
end

local known = tonumber(redis.call('HGET', mine, 'sequence'))
if known and batch.sequence <= known then
  if batch.is_last then
    release(my_windows, field)
  end
  return {0, whole(now), 0}
end
local expires = tonumber(redis.call('ZSCORE', owners, batch.owner))
local has_expired = 0
if known and (not expires or expires <= now) then
  has_expired = 1
end

for _, owner in ipairs(redis.call('ZRANGEBYSCORE', owners, '-inf', whole(now), 'LIMIT', 0, 20)) do
  release(batch.prefix .. 'holds:' .. owner, 'held:' .. owner)
  redis.call('ZREM', owners, owner)
end

local spent, held, own, first = {}, {}, {}, 3
for index = 1, #batch.ends do
  spent[index], held[index], own[index] = 0, 0, 0
  local fields = redis.call('HGETALL', KEYS[first + index])
  for at = 1, #fields, 2 do
    local amount = tonumber(fields[at + 1])
    if fields[at] == 'spent' then
      spent[index] = amount
    else
      held[index] = held[index] + amount
      if fields[at] == field then
        own[index] = amount
      end
    end
  end
end

local function hold(index, amount)
  own[index] = own[index] + amount
  held[index] = held[index] + amount
end

for _, part in ipairs(batch.settlements) do
  local index = part[1]
  local released = math.min(part[2], own[index])
  hold(index, -released)
  spent[index] = spent[index] + part[3]
end
for _, part in ipairs(batch.holds) do
  hold(part[1], part[2])
end
local verdicts = {}
for number, charges in ipairs(batch.reservations) do
  local refused = nil
  for place, charge in ipairs(charges) do
    local left = charge[3] - spent[charge[1]] - held[charge[1]]
    if charge[2] > left then
      refused = {0, place, whole(left)}
      break
    end
  end
  if refused then
    verdicts[number] = refused
  else
    for _, charge in ipairs(charges) do
      hold(charge[1], charge[2])
    end
    local verdict = {1}
    for place, charge in ipairs(charges) do
      verdict[place + 1] = whole(charge[3] - spent[charge[1]] - held[charge[1]])
    end
    verdicts[number] = verdict
  end
end

for index = 1, #batch.ends do
  local window = KEYS[first + index]
  redis.call('HSET', window, 'spent', whole(spent[index]))
  if own[index] > 0 and not batch.is_last then
    redis.call('HSET', window, field, whole(own[index]))
    redis.call('SADD', my_windows, window)
  else
    redis.call('HDEL', window, field)
    redis.call('SREM', my_windows, window)
  end
  redis.call('EXPIREAT', window, whole(batch.ends[index]))
end
if batch.is_last then
  release(my_windows, field)
  redis.call('ZREM', owners, batch.owner)
else
  redis.call('ZADD', owners, whole(now + batch.ttl_ms), batch.owner)
  redis.call('PEXPIRE', my_windows, whole(batch.keep_s * 1000))
end
redis.call('HSET', mine, 'sequence', whole(batch.sequence))
redis.call('EXPIRE', mine, whole(batch.keep_s))
return {1, whole(now), has_expired, verdicts}
