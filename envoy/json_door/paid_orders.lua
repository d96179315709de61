-- A paid order is taken whatever stands in fields that nobody counts with: the guest has paid.
local requests = require("json_requests")
local budget = require("json_door.budget")
local scanner = require("json_door.scanner")
local schema = require("json_door.schema")
local texts = require("json_door.texts")

local paid_orders = {
  -- May be left out of a paid order, where any other is refused.
  LEFT_OUT = { channel = true, serviceMode = true, type = true },
  MAX_BYTES = 262144, -- Looked at; an order of 500 lines as tills write them has half of it.
}

local MAX_INTEGER = 2 ^ 31

-- A paid order is not refused for what changes no point and no hold. These of its fields count as
-- absent where they have no value of their kind.
local FORGIVEN = {
  amount = "amount",
  appliedDiscounts = "list",
  ccToken = "text",
  channel = "word",
  created = "text",
  details = "details",
  discountValue = "integer",
  displayName = "text",
  name = "text",
  operator = "text",
  parentReferenceId = "text",
  payments = "list",
  price = "price", -- Absent where it is blank; any other is refused.
  referenceId = "text",
  serviceMode = "word",
  status = "word", -- Of an unclaimed order alone; without it no ReportOrder would be here.
  subtype = "word",
  supportingPos = "text",
  tax = "tax",
  terminal = "text",
  type = "text", -- Of a payment; of a discount's details a word.
}
-- Texts that name what counts: with U+FFFD in them they would name something else.
local DECISIVE = {
  currency = true,
  incentiveId = true,
  loyaltyEngineId = true,
  loyaltyId = true,
  posType = true,
  productId = true,
  transactionId = true,
}
-- As many places of a paid body are looked at closely; those of the fullest order are fewer.
local MEND_PLACES = 20000
local MEND_KEYS = 12000 -- Names of values looked at in a paid order; the fullest one has some 8,000.
local VALUE_PLACES = 8 -- What a look at one text or value counts for.
-- What it may cost to repair one body's texts.
local MEND_STEPS = 5000
local HALF = "\\u[dD][89a-fA-F]" -- Of a surrogate pair, or a whole one.
local WHOLE = {
  "[\194-\223][\128-\191]",
  "\224[\160-\191][\128-\191]",
  "[\225-\236\238\239][\128-\191][\128-\191]",
  "\237[\128-\159][\128-\191]",
  "\240[\144-\191][\128-\191][\128-\191]",
  "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]",
}
local forgiven, known_words = {}, {}
local real_names = schema.real_names
local is_number = texts.is_number
for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    forgiven[key] = FORGIVEN[field.name]
    if field.words and FORGIVEN[field.name] then
      known_words[field.name] = known_words[field.name] or {}
      for _, word in ipairs(field.words) do
        known_words[field.name][word:upper()] = true
      end
    end
  end
end

-- Whether a call is about an order that its guest has paid, or takes one back.
function paid_orders.is_paid(route, body)
  return route.kind == "unclaimed"
    or route.kind == "void"
    or route.kind == "report"
      and (
        body:find('"status"%s*:%s*"%s*[cC][lL][aA][iI][mM][eE][dD]%s*"') ~= nil
        or body:find('"status"%s*:%s*2%s*[,}]') ~= nil -- The same by its number.
      )
end

-- Whether a text is whole, found with few calls: a loop over its characters would take far longer.
local function is_whole(text)
  if text:find(HALF) then
    return false
  elseif not text:find("[\128-\255]") then
    return true
  end
  for _, character in ipairs(WHOLE) do
    text = text:gsub(character, " ")
    if not text:find("[\128-\255]") then
      return true
    end
  end
  return false
end

-- A text with U+FFFD for each byte and each half of a surrogate pair that is no character.
local function made_whole(text, count)
  local pieces, copied, at = {}, 1, 1
  while true do
    at = text:find("[\128-\255\\]", at)
    count.left = count.left - 1
    if not at or count.left < 0 then
      break
    end
    local size, instead = 2, nil
    if text:byte(at) ~= 92 then
      size = texts.character_size(text, at)
      instead = not size and "\239\191\189"
    elseif text:find("^\\u[dD][89abAB]%x%x\\u[dD][c-fC-F]%x%x", at) then
      size = 12
    elseif text:find("^\\u[dD][89a-fA-F]%x%x", at) then
      size, instead = 6, "\\ufffd"
    end
    if instead then
      pieces[#pieces + 1] = text:sub(copied, at - 1) .. instead
      copied = at + (size or 1)
    end
    at = at + (size or 1)
  end
  pieces[#pieces + 1] = text:sub(copied)
  return table.concat(pieces)
end

local function tell(told, reason, key)
  local line = reason .. ":" .. (real_names[key] or "other")
  for _, before in ipairs(told) do
    if before == line then
      return
    end
  end
  told[#told + 1] = line
end

-- A paid body whose texts are whole, or as it was where a text that counts is not, or too much of it
-- would have to be looked at: it is refused by name then.
function paid_orders.with_whole_texts(body, told)
  if #body > budget.MAX_BYTES or is_whole(body) then
    return body
  end
  local count, previous, key, refused, found = { left = MEND_STEPS }, nil, nil, false, {}
  local repaired = body:gsub('[^"]+', function(part)
    local owner = key
    key = nil
    if part:find("^%s*:%s*$") then
      key = previous
      return nil
    end
    previous = part
    if refused or not (part:find("[\128-\255]") or part:find(HALF)) then
      return nil
    end
    count.left = count.left - VALUE_PLACES
    local whole = is_whole(part) and part or made_whole(part, count)
    if count.left < 0 or whole ~= part and DECISIVE[real_names[owner]] then
      refused = true
    elseif whole ~= part then
      tell(found, "text", owner)
      return whole
    end
    return nil
  end)
  if refused then
    return body
  end
  for _, line in ipairs(found) do
    told[#told + 1] = line
  end
  return repaired
end

-- What stands in a number's place, with quotes or without; "" for what is neither. Blanks at the ends
-- of a text are taken off later.
local function scalar(body, at)
  return body:match('^" *([^"\\]-) *"', at) or body:match("^[%w%+%-%.]+", at) or ""
end

-- What to write instead of a value that is none of its kind; nil where it is one.
local FORGIVE = {
  text = function(body, at)
    -- A number is quoted later; a text may stand in single quotes.
    return not body:find("^[\"'%-%dn]", at) and "null" or nil
  end,
  word = function(body, at, name)
    local word = scalar(body, at)
    local known = word == "null" or known_words[name][word:upper()] or body:find("^%d+[%s,}]", at)
    return not known and "null" or nil
  end,
  amount = function(body, at)
    local text = scalar(body, at)
    local number = is_number(text) and not text:find("^%-?0%d") and tonumber(text)
    return text ~= "null" and not (number and math.abs(number) < MAX_INTEGER - 1) and "null" or nil
  end,
  integer = function(body, at)
    local text = scalar(body, at)
    local number = is_number(text) and not text:find("^%-?0%d") and tonumber(text)
    return text ~= "null"
        and not (number and number % 1 == 0 and math.abs(number) < MAX_INTEGER - 1)
        and "null"
      or nil
  end,
  tax = function(body, at)
    local text = scalar(body, at)
    local number = is_number(text) and not text:find("^%-?0%d") and tonumber(text)
    if text == "null" or number and math.abs(number) < math.huge then
      return nil
    end
    -- Only the server knows whether the program's tax earns; blank stands for absent.
    return body:find('^"%s*"', at) and "null" or '"NaN"'
  end,
  list = function(body, at)
    return not body:find("^[%[{n]", at) and "null" or nil
  end,
  price = function(body, at)
    return body:find('^" *"', at) and "null" or nil
  end,
  details = function(body, at)
    return not body:find("^[{n]", at) and "null" or nil
  end,
}

-- A paid body that is not refused for a field which nobody counts with.
function paid_orders.put_right(body, route, told)
  local pieces, copied, at, details_end = {}, 1, 1, 0
  local count = { left = MEND_PLACES }
  for _ = 1, MEND_KEYS do
    local _, to, key = body:find('"([%w_]+)"%s*:%s*', at)
    if not to then
      break
    end
    at = to + 1
    local kind, name = forgiven[key], real_names[key]
    if name == "type" and at < details_end then
      kind = "word"
    elseif name == "status" and route.kind ~= "unclaimed" then
      kind = nil
    end
    local instead = kind and FORGIVE[kind](body, at, name)
    local last
    if instead or kind == "details" then
      count.left = count.left - VALUE_PLACES
      last = count.left > 0 and scanner.value_end(body, at, count)
    end
    if instead and not last then
      break -- No JSON, or too much of it: the transcoder refuses it.
    elseif instead then
      if not body:find('^"%s*"', at) or kind ~= "tax" and kind ~= "price" then
        tell(told, "field", key)
      end
      pieces[#pieces + 1] = body:sub(copied, to) .. instead
      at, copied = last + 1, last + 1
    elseif last then
      details_end = last
    end
  end
  pieces[#pieces + 1] = body:sub(copied)
  return table.concat(pieces)
end

return paid_orders
