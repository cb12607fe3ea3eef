#!lua name=tocsin_sessions_1

-- Take sessions over that were one worker's of another node. KEYS: the heir's inbox, the other's, the set of what was
-- taken from it, then the sessions' owners. ARGV: the heir, the one it takes from, how long all this is kept in ms, the
-- entry that marks the place in both inboxes, then the sessions. An owner is a node's tag and a worker; a session without
-- one belongs to whom its id names. Returns {the place in the other's inbox}, or {0} when an inbox is gone or a session is
-- another's.
local function claim(keys, args)
  if redis.call('EXISTS', keys[1], keys[2]) < 2 then return {0} end
  for i = 4, #keys do
    local owner = redis.call('GET', keys[i])
    if owner and owner ~= args[2] then return {0} end
  end
  for i = 4, #keys do
    redis.call('SET', keys[i], args[1], 'PX', args[3])
    redis.call('SADD', keys[3], args[1 + i])
  end
  redis.call('PEXPIRE', keys[3], args[3])
  redis.call('XADD', keys[1], '1-*', 'c', args[4])
  local place = redis.call('XADD', keys[2], '1-*', 'c', args[4])
  return {tonumber(string.sub(place, 3))}
end

redis.register_function('tocsin_sessions_1_claim', claim)
