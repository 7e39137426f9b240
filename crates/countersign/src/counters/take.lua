-- Takes from every counter or from none. A counter is a hash: what is used, and when its
-- window ends by this server's clock, which also tells one window from the next.
-- For each key: cost, limit, length of a window in milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used, ends = {}, {}
local taken = 1
for i = 1, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'used', 'ends')
  local last = tonumber(found[2] or '0')
  if last > now then
    used[i], ends[i] = tonumber(found[1]), last
  else
    used[i], ends[i] = 0, now + tonumber(ARGV[i * 3])
  end
  if used[i] + tonumber(ARGV[i * 3 - 2]) > tonumber(ARGV[i * 3 - 1]) then
    taken = 0
  end
end
local answer = { taken }
for i = 1, #KEYS do
  local cost = tonumber(ARGV[i * 3 - 2])
  if taken == 1 and cost > 0 then
    local until_text = string.format('%.0f', ends[i])
    redis.call('HSET', KEYS[i], 'used', string.format('%.0f', used[i] + cost), 'ends', until_text)
    redis.call('PEXPIREAT', KEYS[i], until_text)
  end
  answer[#answer + 1] = used[i]
  answer[#answer + 1] = ends[i] - now
  answer[#answer + 1] = ends[i]
end
return answer
