-- The key that a call brings: one key, however it is spelt.
local bit = require("bit")
local secret = require("gate.secret")

local keys = {}

local KEY_MAX = 256 -- Bytes of a header with a key; ours have 35.

local band, bxor, lshift, rol, tobit = bit.band, bit.bxor, bit.lshift, bit.rol, bit.tobit

local function mix(rounds, v0, v1, v2, v3)
  for _ = 1, rounds do
    v0 = tobit(v0 + v1)
    v1 = bxor(rol(v1, 5), v0)
    v0 = rol(v0, 16)
    v2 = tobit(v2 + v3)
    v3 = bxor(rol(v3, 8), v2)
    v0 = tobit(v0 + v3)
    v3 = bxor(rol(v3, 7), v0)
    v2 = tobit(v2 + v1)
    v1 = bxor(rol(v1, 13), v2)
    v2 = rol(v2, 16)
  end
  return v0, v1, v2, v3
end

-- 64 bits of a text that nobody can foresee who does not know the two numbers of 32 bits (HalfSipHash-2-4).
function keys.digest_with(first, second, text)
  local v0, v1, v2, v3 = first, bxor(second, 0xee), bxor(first, 0x6c796765), bxor(second, 0x74656462)
  local length = #text
  local rest = band(length, 3)
  for at = 1, length - rest, 4 do
    local a, b, c, d = text:byte(at, at + 3)
    local word = tobit(a + lshift(b, 8) + lshift(c, 16) + lshift(d, 24))
    v0, v1, v2, v3 = mix(2, v0, v1, v2, bxor(v3, word))
    v0 = bxor(v0, word)
  end
  local a, b, c = text:byte(length - rest + 1, length)
  local word = tobit(lshift(length, 24) + (a or 0) + lshift(b or 0, 8) + lshift(c or 0, 16))
  v0, v1, v2, v3 = mix(2, v0, v1, v2, bxor(v3, word))
  v0, v1, v2, v3 = mix(4, bxor(v0, word), v1, bxor(v2, 0xee), v3)
  local half = bxor(v1, v3)
  v0, v1, v2, v3 = mix(4, v0, bxor(v1, 0xdd), v2, v3)
  return bit.tohex(half) .. bit.tohex(bxor(v1, v3))
end

-- Enough of a key to know it again, of no use to anybody who finds it, and another one after each start:
-- nobody makes a second key that is taken for the first.
function keys.digest(key)
  return keys.digest_with(secret.first, secret.second, key)
end

-- What is blank is no key.
local function is_blank(value)
  return not value or not value:find("[^ \t]")
end

-- The key that a call brings, bare, as the server reads it, of the last header of either name. Whatever
-- else it is spelt like, it is one key to all that counts keys.
function keys.of(own, authorization)
  local value, start = own, "^"
  if is_blank(own) then
    value = authorization
    start = "^[Bb][Ee][Aa][Rr][Ee][Rr] " -- As OAuth's clients send it; any other is no key.
    if is_blank(value) then
      return nil
    end
  end
  if #value > KEY_MAX then
    return nil
  elseif value == own and not value:find("[ \t]") then
    return value
  end
  local key = value:match(start .. "[ \t]*([^ \t].*)")
  return key and key:match("^.*[^ \t]")
end

-- Hands a key on as it was understood, so that nobody after us understands another.
function keys.hand_on(headers, key)
  headers:remove("authorization")
  headers:remove("x-api-key")
  headers:add("x-api-key", key)
end

return keys
