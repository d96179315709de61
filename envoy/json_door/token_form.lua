-- The form by which a client of OAuth 2.0 asks for a token, as the JSON that the transcoder reads.
local basic = require("gate.basic")
local keys = require("gate.keys")
local texts = require("json_door.texts")

local token_form = {}

local FIELDS = { grant_type = true, client_id = true, scope = true }
local PARTS = 32 -- Of a form; ours has four.
local UNREADABLE = "{" -- What the transcoder refuses, as it does a form that can't be read.

-- The fields of a form, each once; nil where one comes twice, or can't be.
local function fields_of(body)
  local fields, count = {}, 0
  for part in body:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=(.*)$")
    name, value = name and basic.plain(name), value and basic.plain(value)
    count = count + 1
    if not name or not value or fields[name] or count > PARTS then
      return nil
    end
    fields[name] = value
  end
  return fields
end

-- The body to send on. The secret in a form is the caller's key, and goes where keys do; a caller that
-- proves who it is in two ways is refused (RFC 6749, section 2.3).
function token_form.put_right(headers, body)
  if body:find("^%s*{") then
    return body -- JSON, as of any other call; no secret is looked for in it.
  end
  local fields = fields_of(body)
  if not fields then
    return UNREADABLE
  end
  local own = headers:get("x-api-key")
  if fields.client_secret then
    if own then
      return UNREADABLE
    end
    keys.hand_on(headers, fields.client_secret)
    headers:replace(basic.CLIENT, fields.client_id or "")
  end
  local members = {}
  for name, value in pairs(fields) do
    if FIELDS[name] then
      members[#members + 1] = ('"%s":"%s"'):format(name, texts.escape(value))
    end
  end
  table.sort(members)
  return "{" .. table.concat(members, ",") .. "}"
end

return token_form
