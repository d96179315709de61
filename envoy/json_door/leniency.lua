-- Makes of a till's body what the transcoder accepts.
local requests = require("json_requests")
local budget = require("json_door.budget")
local paid_orders = require("json_door.paid_orders")
local parser = require("json_door.parser")
local places = require("json_door.places")
local scanner = require("json_door.scanner")
local schema = require("json_door.schema")
local texts = require("json_door.texts")

local leniency = {}

local MAX_TEXT = 8192 -- Bytes of a text that is looked at before the transcoder does.
-- Nothing but what they need may refuse a session, its correlation ID, and a void, its path: what else
-- has a type or text that nobody can use counts as absent. At most so many places of a body are looked
-- at for it, well above those of any session and of the fullest order.
local SESSION_PLACES, VOID_PLACES = 2000, 40000
-- The same for telling what a key means that has several meanings.
local ORDER_PLACES = 40000
local LOCALES = { ["en-CA"] = true, ["en-US"] = true, ["fr-CA"] = true }
-- What adding up doubles leaves behind is no part of a number: 1998.9999999999998 cents are 1999.
local NOISE = 1e-6
local MAX_INTEGER = 2 ^ 31

local is_number = texts.is_number

-- The whole number that a number with a fraction or an exponent stands for, as text; nil where it
-- stands for none. Of a payment that was made the nearest is enough: nobody counts with it.
local function whole_number(name, value, paid)
  if not value:find("[%.eE]") or not is_number(value) or value:find("^%-?0%d") or not value:find("%d$") then
    return nil
  end
  local number = tonumber(value)
  local whole = number and math.floor(number + 0.5)
  if not whole or math.abs(whole) > MAX_INTEGER then
    return nil
  end
  if math.abs(number - whole) <= NOISE or name == "amount" and paid() then
    return ("%d"):format(whole)
  end
  return nil
end

-- What stands for a value without quotes; nil where it may stay. Blanks are after it.
local function of_bare(field, value, blanks, paid)
  if field.type == "integer" then
    local whole = whole_number(field.name, value, paid)
    return whole and whole .. blanks
  elseif field.quotable then
    local taken = is_number(value) or field.also_boolean and (value == "true" or value == "false")
    return taken and '"' .. value .. '"' .. blanks or nil
  end
  return nil
end

-- What stands for a value in quotes; nil where it may stay. One that is *padded* has blanks at its ends.
local function of_quoted(field, value, padded, paid)
  if field.type == "integer" then
    return whole_number(field.name, value, paid) or padded and value:find("^%-?%d+$") and value or nil
  elseif field.type == "enum" then
    local word = field.cased[value:upper()] or padded and value
    return word and '"' .. word .. '"' or nil
  elseif field.type == "number" then
    return padded and value ~= "" and is_number(value) and '"' .. value .. '"' or nil
  end
  return nil
end

-- Put right what is written otherwise than the transcoder reads it: numbers for texts, words in another
-- case, blanks around what has none, {} for a list with nothing in it. A quote inside a JSON string is
-- always escaped, so `"key":` can only be a key.
function leniency.admit(body, route)
  local known_paid, place_of
  local function paid()
    if known_paid == nil then
      known_paid = paid_orders.is_paid(route, body)
    end
    return known_paid
  end
  local fields = schema.fields_of(route.request)
  if body:find("{%s*}") then
    body = body:gsub('"([%w_]+)"(%s*:%s*){(%s*)}', function(key, colon, blanks)
      return fields[key] and fields[key].repeated and '"' .. key .. '"' .. colon .. "[" .. blanks .. "]" or nil
    end)
  end
  -- Once over the body for all of it, for it may be long.
  return (
    body:gsub('()"([%w_]+)"(%s*:%s*)("? *)([%w%.%+%-_]*)( *"?)', function(at, key, colon, open, value, close)
      local field = fields[key]
      local quoted = open ~= ""
      if not field or quoted ~= (close:byte(-1) == 34) then
        return nil
      end
      local padded = quoted and #open + #close > 2
      if field.several then
        if quoted and not padded and not field.cased[value:upper()] or value == "" then
          return nil
        end
        place_of = place_of or places.follow(body, route.request, { left = ORDER_PLACES })
        field = place_of(at)
        if not field then
          return nil
        end
      end
      local instead
      if quoted then
        instead = of_quoted(field, value, padded, paid)
      else
        instead = of_bare(field, value, close, paid)
      end
      return instead and '"' .. key .. '"' .. colon .. instead or nil
    end)
  )
end

-- Whether a value, as it stands in the body, is one that its field of a lenient call can have.
local function is_usable(text, field)
  if field.type ~= "string" or #text > MAX_TEXT then
    return false
  end
  budget.begin(MAX_TEXT)
  local parsed, node = pcall(parser.parse, text)
  if not parsed or not node or node.broken then
    return false
  elseif field.name == "locale" then
    return LOCALES[node.text]
  end
  return node.kind == "string"
    or node.kind == "number" and field.quotable
    or node.kind == "bool" and field.also_boolean
    or false
end

-- A session's body, with null for what nobody can use of it. What is no JSON stays as it is: the
-- transcoder refuses it.
function leniency.without_unusable(body, route)
  local fields, needed = requests.messages[route.request], {}
  for _, field in ipairs(requests.required[route.request]) do
    needed[field.name] = true
  end
  local pieces, copied = {}, 1
  for _, member in ipairs((scanner.top_members(body, { left = SESSION_PLACES }))) do
    local field = fields[member.key]
    if field and not needed[field.name] and not is_usable(body:sub(member.first, member.last), field) then
      pieces[#pieces + 1] = body:sub(copied, member.first - 1)
      copied = member.last + 1
    end
  end
  pieces[#pieces + 1] = body:sub(copied)
  return table.concat(pieces, "null")
end

-- What a void's body says that its path does not, and no more. One that can't be read says nothing.
function leniency.of_void(body, route)
  local members, whole = scanner.top_members(body, { left = VOID_PLACES })
  local kept = {}
  for _, member in ipairs(whole and members or {}) do
    local field, text = requests.messages[route.request][member.key], body:sub(member.first, member.last)
    -- A number names no guest, but may be the till's own number of the order.
    local named = field and (field.name ~= "loyaltyId" or text:byte() == 34)
    if named and not field.unread and not route.bound[member.key] and is_usable(text, field) then
      kept[#kept + 1] = ('"%s":%s'):format(member.key, text)
    end
  end
  return "{" .. table.concat(kept, ",") .. "}"
end

-- The body to send on, and what was put right of a paid order that the server must hear of.
function leniency.mend(body, route)
  local told = {}
  body = texts.without_mark(body)
  if route.kind == "void" then
    body = leniency.of_void(body, route)
  elseif route.kind == "session" then
    body = leniency.without_unusable(body, route)
  elseif #body <= paid_orders.MAX_BYTES and paid_orders.is_paid(route, body) then
    body = paid_orders.put_right(paid_orders.with_whole_texts(body, told), route, told)
  end
  return leniency.admit(body, route), told
end

return leniency
