-- Gives back what was taken from windows that still run.
-- For each key: cost, end of the window, 0.
for i = 1, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'used', 'ends')
  if found[2] and tonumber(found[2]) == tonumber(ARGV[i * 3 - 1]) then
    local left = math.max(0, tonumber(found[1]) - tonumber(ARGV[i * 3 - 2]))
    redis.call('HSET', KEYS[i], 'used', string.format('%.0f', left))
  end
end
return {}
