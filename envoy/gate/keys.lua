-- The key that a call brings: one key, however it is spelt.
local bit = require("bit")

local keys = {}

local KEY_MAX = 256 -- Bytes of a header with a key; ours have 35.

-- 32 bits of a key: enough to know it again, and of no use to anybody who finds them (FNV-1a).
function keys.digest(key)
  local hash = bit.tobit(2166136261)
  for position = 1, #key do
    hash = bit.bxor(hash, key:byte(position))
    hash = bit.tobit(
      hash + bit.lshift(hash, 1) + bit.lshift(hash, 4) + bit.lshift(hash, 7) + bit.lshift(hash, 8) + bit.lshift(hash, 24)
    )
  end
  return hash
end

-- The key that a call brings, bare, as the server reads it: the last header of a name counts, and what
-- is blank is none. Whatever else it is spelt like, it is one key to all that counts keys.
local function last_of(headers, name)
  local count = headers:getNumValues(name)
  local value = count > 0 and headers:getAtIndex(name, count - 1) or ""
  return value:find("[^ \t]") and value
end

function keys.of(headers)
  local value = last_of(headers, "x-api-key")
  local start = "^"
  if not value then
    value = last_of(headers, "authorization")
    start = "^[Bb][Ee][Aa][Rr][Ee][Rr] " -- As OAuth's clients send it; any other is no key.
  end
  if not value or #value > KEY_MAX then
    return nil
  end
  return value:match(start .. "[ \t]*([^ \t].-)[ \t]*$")
end

-- Hands a key on as it was understood, so that nobody after us understands another.
function keys.hand_on(headers, key)
  headers:remove("authorization")
  headers:remove("x-api-key")
  headers:add("x-api-key", key)
end

return keys
