#!lua name=tocsin_sessions_2

-- Take sessions over. KEYS: the heir's inbox, the inbox of the node that had them, the inboxes of nodes that had claimed
-- them and never had them, for each of those but the heir the set of what was taken from it, then the sessions' owners.
-- ARGV: how many nodes beside the heir, how long all this is kept in ms, the entry that marks the place in all inboxes,
-- then of each session its id, what its owner's key must say ('' nothing), and what it says from now on. Returns {the
-- place in the inbox of the node that had them, or 0 when an inbox is gone or none was taken, then 1 for each session
-- that was taken and 0 for each that is another's}.
local function claim(keys, args)
  local nodes = tonumber(args[1])
  if redis.call('EXISTS', keys[1], keys[2]) < 2 then return {0} end
  local answer, owners, any = {0}, 2 + 2 * nodes, false
  for i = owners, #keys do
    local at = 4 + 3 * (i - owners)
    local mine = (redis.call('GET', keys[i]) or '') == args[at + 1]
    answer[#answer + 1] = mine and 1 or 0
    if mine then
      any = true
      redis.call('SET', keys[i], args[at + 2], 'PX', args[2])
      for set = 2 + nodes, owners - 1 do
        redis.call('SADD', keys[set], args[at])
      end
    end
  end
  if not any then return answer end
  for set = 2 + nodes, owners - 1 do
    redis.call('PEXPIRE', keys[set], args[2])
  end
  redis.call('XADD', keys[1], '1-*', 'c', args[3])
  answer[1] = tonumber(string.sub(redis.call('XADD', keys[2], '1-*', 'c', args[3]), 3))
  for inbox = 3, 1 + nodes do
    redis.call('XADD', keys[inbox], 'NOMKSTREAM', '1-*', 'c', args[3])
  end
  return answer
end

redis.register_function('tocsin_sessions_2_claim', claim)
