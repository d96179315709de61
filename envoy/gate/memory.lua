-- What a gate remembers of keys and addresses, each gate for itself.
local memory = {}

local REMEMBERED_MAX = 10000 -- keys, and addresses; the oldest go first
local CALL_S = 6 -- A call is whole, or refused, after 5 s; its end is not seen if its caller reset it.

-- A table that forgets: half of what it may hold, the newest, is always there.
function memory.new()
  local new, old, count = {}, {}, 0
  local kept = {}
  function kept.put(name, value)
    if new[name] == nil then
      count = count + 1
      if count > REMEMBERED_MAX / 2 then
        new, old, count = {}, new, 1
      end
    end
    new[name] = value
  end
  function kept.get(name)
    local value = new[name]
    if value == nil and old[name] ~= nil then
      value = old[name]
      kept.put(name, value)
    end
    return value
  end
  function kept.forget(name)
    new[name], old[name] = nil, nil
  end
  return kept
end

-- Counts something for each name, and lets time make up for it.
function memory.new_limit(burst, a_second)
  local kept = memory.new()
  local limit = {}
  local function drained(name, now)
    local found = kept.get(name) or { count = 0, since = now }
    found.count = math.max(0, found.count - math.max(0, now - found.since) * a_second)
    found.since = now
    return found
  end
  function limit.is_reached(name, now)
    return kept.get(name) and drained(name, now).count >= burst
  end
  function limit.add(name, amount, now)
    local found = drained(name, now)
    found.count = found.count + amount
    kept.put(name, found)
  end
  return limit
end

-- Calls that are not done, or their bytes, for each name. Each counts for so many seconds at most: who
-- resets a call is believed then.
function memory.new_holding(most, seconds)
  local kept = memory.new()
  local holding = {}
  -- What began after now is none of this clock's.
  local function is_recent(began, now)
    return began <= now and now - began < (seconds or CALL_S)
  end
  function holding.of(name, now)
    local sum = 0
    for second, amount in pairs(kept.get(name) or {}) do
      if is_recent(second, now) then
        sum = sum + amount
      end
    end
    return sum
  end
  function holding.is_reached(name, bytes, now)
    return holding.of(name, now) + bytes > most
  end
  function holding.add(name, bytes, began, now)
    local found = kept.get(name)
    if not found then
      found = {}
      kept.put(name, found)
    end
    if not is_recent(began, now) then
      return
    elseif found[began] then
      found[began] = found[began] + bytes
      return
    end
    -- Once a second what is no longer recent goes.
    for second in pairs(found) do
      if not is_recent(second, now) then
        found[second] = nil
      end
    end
    found[began] = bytes
  end
  return holding
end

-- Shares what grows back by so much a second. Somebody alone may have all of it; once *burst* of it is
-- used, only those go on who have used less than their part of late, and beyond *most* nobody.
function memory.new_share(burst, a_second, most)
  local kept = memory.new()
  local used, since = 0, 0
  local users, counted, counted_before, second = {}, 0, 0, 0
  local share = {}
  -- How many have used some, this second or in the last.
  local function count_users(now)
    local this = math.floor(now)
    if this ~= second then
      counted_before = this == second + 1 and counted or 0
      users, counted, second = {}, 0, this
    end
    return math.max(counted, counted_before, 1)
  end
  local function drained(name, now)
    used, since = math.max(0, used - math.max(0, now - since) * a_second), now
    local found = kept.get(name) or { count = 0, since = now }
    local part = a_second / count_users(now)
    found.count = math.max(0, found.count - math.max(0, now - found.since) * part)
    found.since = now
    return found
  end
  function share.is_used_up(name, now)
    local found = drained(name, now)
    return used >= most or used >= burst and found.count >= burst / (2 * count_users(now))
  end
  function share.add(name, amount, now)
    local found = drained(name, now)
    if not users[name] then
      users[name], counted = true, counted + 1
    end
    used = math.max(0, used + amount)
    found.count = math.max(0, math.min(burst, found.count + amount))
    kept.put(name, found)
  end
  return share
end

return memory
