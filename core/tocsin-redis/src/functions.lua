#!lua name=tocsin_bus_2

-- Publish events of one scope. KEYS: watermark, then interests, one at least. ARGV: what inbox keys begin with, the first event's place in
-- the log (0: the events are ephemeral, all of them), how many entries an inbox holds at most, how long a watermark
-- is kept in ms, then the entries.
-- Returns {how many were new, watermark}, or {-1, watermark} when places before the first one were never published, or
-- may not have been: without a watermark nobody knows, and another node may be about to publish them.
local function publish(keys, args)
  local first, count, skip = tonumber(args[2]), #args - 4, 0
  local last = 0
  if first > 0 then
    last = first + count - 1
    local mark = tonumber(redis.call('GET', keys[1]) or '0')
    if first > mark + 1 then return {-1, mark} end
    if last <= mark then return {0, mark} end
    skip = mark + 1 - first
  end
  local interests = {unpack(keys, 2)}
  for _, node in ipairs(redis.call('SUNION', unpack(interests))) do
    for i = 5 + skip, #args do
      if not redis.call('XADD', args[1] .. node, 'NOMKSTREAM', 'MAXLEN', '~', args[3], '1-*', 'e', args[i]) then
        -- The node is gone, and its inbox with it.
        for _, interest in ipairs(interests) do redis.call('SREM', interest, node) end
        break
      end
    end
  end
  -- At last: where a slot of a cluster is being moved, a call above may fail, and all is sent again.
  if first > 0 then redis.call('SET', keys[1], string.format('%.0f', last), 'PX', args[4]) end
  return {count - skip, last}
end

-- Go on with a scope's log after a place, as if all up to it had been published: where there is no watermark, and where
-- what is before it cannot be had. KEYS: watermark. ARGV: the place, whether to pass over a hole (1), how long a
-- watermark is kept in ms. Returns 1, or 0 where nothing was changed.
local function begin(keys, args)
  local mark, after = tonumber(redis.call('GET', keys[1]) or '0'), tonumber(args[1])
  if mark >= after or (mark > 0 and args[2] ~= '1') then return 0 end
  redis.call('SET', keys[1], string.format('%.0f', after), 'PX', args[3])
  return 1
end

-- Make an inbox. KEYS: it. ARGV: its time to live in ms. Returns 1, or 0 where one of that name was there: a name is
-- never used twice.
local function open(keys, args)
  if redis.call('EXISTS', keys[1]) == 1 then return 0 end
  redis.call('XADD', keys[1], '1-1', 'o', '')
  redis.call('PEXPIRE', keys[1], args[1])
  return 1
end

-- Let a node hear of scopes. KEYS: its inbox, then the scopes' interest. ARGV: the node's name.
-- Returns the number of its inbox's last entry, or -1 when the inbox is gone.
local function register(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return -1 end
  for i = 2, #keys do redis.call('SADD', keys[i], args[1]) end
  local info = redis.call('XINFO', 'STREAM', keys[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.sub(info[i + 1], 3)) end
  end
  return -1
end

-- Keep an inbox alive and let go of what is older than needed. KEYS: it. ARGV: its time to live in ms, the number of
-- the first entry to keep. Returns 0 when the inbox is gone.
local function touch(keys, args)
  if redis.call('PEXPIRE', keys[1], args[1]) == 0 then return 0 end
  redis.call('XTRIM', keys[1], 'MINID', '~', '1-' .. args[2])
  return 1
end

redis.register_function('tocsin_bus_2_publish', publish)
redis.register_function('tocsin_bus_2_begin', begin)
redis.register_function('tocsin_bus_2_open', open)
redis.register_function('tocsin_bus_2_register', register)
redis.register_function('tocsin_bus_2_touch', touch)
