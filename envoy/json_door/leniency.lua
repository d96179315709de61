-- Makes of a till's body what the transcoder accepts.
local requests = require("json_requests")
local budget = require("json_door.budget")
local numbers = require("json_door.numbers")
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
local SHORT = 16384 -- Bytes of a body that may be looked through twice, which a long one would make dear.
local LOCALES = { ["en-CA"] = true, ["en-US"] = true, ["fr-CA"] = true }
local MAX_BLANKS = 128 -- Bytes of a number in quotes whose blanks are taken off.
-- Looks at such numbers of one body: the fullest order has 1,500, each needs one and one more for every
-- blank at an end.
local BLANKS_STEPS = 8000

local is_number = texts.is_number

-- The whole number that a number with a fraction or an exponent stands for, as text; nil where it
-- stands for none. Of a payment that was made the nearest is enough, which *paid* tells on.
local function whole_number(name, value, paid)
  if not value:find("[%.eE]") or not is_number(value) or numbers.is_filled_up(value) or not value:find("%d$") then
    return nil
  end
  local number = tonumber(value)
  if not number or math.abs(number) > numbers.MAX_INTEGER then
    return nil
  end
  local whole, is_meant = numbers.whole_of(number)
  if is_meant or name == "amount" and paid("amount") then
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
    if value:find("^[%+%-]?0[xX]") then
      return '"?' .. value .. '"' -- The transcoder reads hexadecimal digits, which are no number of JSON.
    end
    return padded and value ~= "" and is_number(value) and '"' .. value .. '"' or nil
  end
  return nil
end

-- Whether a value that begins at this position stays as it is, found without building a text; no where
-- that is not sure.
local function stays(field, body, at, first)
  if first == 34 then
    if field.type == "string" then
      return true
    end
    local value = body:match('^"([%w%.%+%-_]*)"', at)
    if not value then
      return not body:find('^"[%w%.%+%-_]* ', at) -- It may have blanks at its ends.
    elseif field.type == "integer" then
      return not value:find("[%.eE]")
    elseif field.type == "number" then
      return not value:find("[xX]")
    end
    local word = field.cased[value:upper()]
    return not word or word == value
  elseif first == 123 then
    return not field.repeated
  elseif field.type == "integer" then
    return not body:find("^[%w%+%-_]*[%.eE]", at)
  elseif field.quotable then
    return not body:find("^%-?%d", at) and not (field.also_boolean and body:find("^[tf]", at))
  end
  return true
end

-- The same of a value whose field may have several meanings.
local function stays_anyhow(field, body, at)
  local first = body:byte(at)
  if not field.several then
    return stays(field, body, at, first)
  end
  for _, one in ipairs(field.several) do
    if not stays(one, body, at, first) then
      return false
    end
  end
  return true
end

-- Whether a body needs nothing of what *admit* does, as nearly all: that costs a call for each key.
local function is_as_written(body, fields)
  local at = 1
  while true do
    local _, to, key = body:find('"([%w_]+)"%s*:%s*', at)
    if not to then
      return true
    end
    at = to + 1
    local field = fields[key]
    if field and not stays_anyhow(field, body, at) then
      return false
    end
  end
end

-- Put right what is written otherwise than the transcoder reads it: numbers for texts, words in another
-- case, blanks around what has none, {} for a list with nothing in it. A quote inside a JSON string is
-- always escaped, so `"key":` can only be a key.
function leniency.admit(body, route, told)
  local known_paid, place_of
  -- Whether the order is paid, so that an amount of it is rounded, of which the operator is told.
  local function paid(key)
    if known_paid == nil then
      known_paid = paid_orders.is_paid(route, body)
    end
    if known_paid then
      paid_orders.tell(told, "amount", key)
    end
    return known_paid
  end
  local fields = schema.fields_of(route.request)
  if #body <= SHORT and is_as_written(body, fields) then
    return body
  end
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

-- Blanks that programs for people put around a number: line breaks, tabs, and those that break no line;
-- and how many bytes each has.
local BLANKS = {
  ["^[ \t\r\n]"] = 1,
  ["^\\[nrt]"] = 2,
  ["^\194\160"] = 2,
  ["^\226\128\175"] = 3,
  ["^\\u00[aA]0"] = 6,
  ["^\\u202[fF]"] = 6,
}

-- A text without the blanks at its ends. Each takes one of count.left; once none is left, blanks stay.
local function without_ends(text, count)
  local first, last = 1, #text
  local again = true
  while again and count.left > 0 do
    again = false
    for blank, size in pairs(BLANKS) do
      if first + size <= last + 1 and text:find(blank, first) then
        first, again = first + size, true
      end
      if first + size <= last + 1 and text:find(blank, last - size + 1) then
        last, again = last - size, true
      end
    end
    count.left = count.left - 1
  end
  return text:sub(first, last)
end

-- A body whose numbers and words in quotes have no blanks around them but spaces, which `admit` takes off.
local function without_blanks(body, route)
  local may_have = body:find("\\", 1, true) or body:find("\194\160", 1, true) or body:find("\226\128\175", 1, true)
  if not may_have then
    return body
  end
  local fields, count = schema.fields_of(route.request), { left = BLANKS_STEPS }
  return (
    body:gsub('"([%w_]+)"(%s*:%s*)"([^"]*)"', function(key, colon, value)
      local field = fields[key]
      local kind = field and not field.repeated and field.type
      if kind ~= "number" and kind ~= "integer" and kind ~= "enum" or #value > MAX_BLANKS then
        return nil
      end
      local plain = without_ends(value, count)
      return plain ~= value and '"' .. key .. '"' .. colon .. '"' .. plain .. '"' or nil
    end)
  )
end

-- Whether a value, as it stands in the body, is one that its field of a lenient call can have.
local function is_usable(text, field)
  if field.type ~= "string" or #text > MAX_TEXT then
    return false
  end
  local plain = text:match('^"([]-~ !#-[]*)"$') -- ASCII without an escape, which needs no parser.
  if plain then
    return field.name ~= "locale" or LOCALES[plain]
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

-- Whether what nobody counts with may refuse the call of a guest, who has one object with another in it;
-- most bodies need no closer look.
local function may_have_unusable(body)
  return body:find(":%s*[tf%[]") or body:find("{[^{]*{[^{]*{")
end

-- The body to send on, and what was put right of a paid order that the server must hear of.
function leniency.mend(body, route)
  local told = {}
  body = texts.without_mark(body)
  if route.kind == "void" then
    body = leniency.of_void(body, route)
  elseif route.kind == "session" then
    body = leniency.without_unusable(body, route)
  else
    body = without_blanks(body, route)
    if #body > paid_orders.MAX_BYTES then
      return leniency.admit(body, route, told), told
    elseif route.kind == "identify" then
      body = paid_orders.with_whole_texts(body, route, {})
      body = may_have_unusable(body) and paid_orders.put_right(body, route, {}) or body
    elseif paid_orders.is_paid(route, body) then
      body = paid_orders.put_right(paid_orders.with_whole_texts(body, route, told), route, told)
    end
  end
  return leniency.admit(body, route, told), told
end

return leniency
