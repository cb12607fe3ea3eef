#!lua name=tocsin_marks_1

-- Mark a place in inboxes of one partition, for sessions that were taken over already. KEYS: the heir's inbox, the inbox
-- of the node that had them, the inboxes of nodes that had claimed them and never had them. ARGV: the entry. Returns the
-- place in the inbox of the node that had them, or 0 when one of the first two is gone.
local function mark(keys, args)
  if redis.call('EXISTS', keys[1], keys[2]) < 2 then return 0 end
  redis.call('XADD', keys[1], '1-*', 'c', args[1])
  local place = tonumber(string.sub(redis.call('XADD', keys[2], '1-*', 'c', args[1]), 3))
  for inbox = 3, #keys do
    redis.call('XADD', keys[inbox], 'NOMKSTREAM', '1-*', 'c', args[1])
  end
  return place
end

redis.register_function('tocsin_marks_1_mark', mark)
