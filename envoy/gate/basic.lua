-- HTTP Basic, by which a client of OAuth 2.0 says who it is (RFC 6749, section 2.3.1).
local basic = {}

local PATH = "^/oauth2/token/?$"
-- From the gate to the server: who a client says that it is, the ID of a key. No caller sends it.
basic.CLIENT = "loyalty-client"

-- Whether a token is asked for at a path: at no other is HTTP Basic taken, or a key within the body.
function basic.takes_it(path)
  return path:match("^[^?]*"):find(PATH) ~= nil
end

local LONGEST = 512 -- Characters of a header that are looked at; the longest of ours has fewer than half.
local VALUES = {}
for value = 0, 63 do
  VALUES[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(value + 1)] = value
end

local function decoded(text)
  local bytes, bits, held = {}, 0, 0
  for at = 1, #text do
    local value = VALUES[text:byte(at)]
    if not value then
      return nil
    end
    held, bits = (held * 64 + value) % 65536, bits + 6
    if bits >= 8 then
      bits = bits - 8
      bytes[#bytes + 1] = string.char(math.floor(held / 2 ^ bits) % 256)
    end
  end
  return table.concat(bytes)
end

-- A part of a form, or of HTTP Basic where a client writes it so; nil where it can't be in a header.
function basic.plain(part)
  local text = part:gsub("%+", " "):gsub("%%(%x%x)", function(code)
    return string.char(tonumber(code, 16))
  end)
  return not text:find("[^\32-\126]") and text or nil
end

-- Who a header says that calls, and its secret; nil where it is not HTTP Basic, or none that can be.
function basic.credentials(authorization)
  if not authorization or #authorization > LONGEST then
    return nil
  end
  local encoded = authorization:match("^[Bb][Aa][Ss][Ii][Cc] +([%w+/]+)=*[ \t]*$")
  local client, secret = (encoded and decoded(encoded) or ""):match("^([^:]*):(.*)$")
  client, secret = client and basic.plain(client), secret and basic.plain(secret)
  if not client or not secret or secret == "" then
    return nil
  end
  return client, secret
end

return basic
