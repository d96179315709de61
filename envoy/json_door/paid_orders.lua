-- A paid order is taken whatever stands in fields that nobody counts with: the guest has paid.
local requests = require("json_requests")
local budget = require("json_door.budget")
local numbers = require("json_door.numbers")
local objects = require("json_door.objects")
local scanner = require("json_door.scanner")
local schema = require("json_door.schema")
local texts = require("json_door.texts")

local paid_orders = {
  -- May be left out of a paid order, where any other is refused.
  LEFT_OUT = { channel = true, currency = true, posType = true, productId = true, serviceMode = true, type = true },
  MAX_BYTES = 262144, -- Looked at; an order of 500 lines as tills write them has half of it.
}

-- A paid order is not refused for what changes no point and no hold. These of its fields count as
-- absent where they have no value of their kind.
local FORGIVEN = {
  amount = "amount",
  amountOff = "amount",
  appliedDiscounts = "list",
  appliesTo = "text",
  category = "text",
  ccToken = "text",
  channel = "word",
  created = "text",
  currency = "text", -- Another than the program's is refused; none is the program's.
  details = "details",
  discountValue = "integer",
  displayName = "text",
  incentiveId = "text",
  loyaltyEngineId = "text",
  name = "text",
  operator = "text",
  order = "lines",
  parentReferenceId = "text",
  payments = "list",
  posType = "text",
  price = "price", -- Absent where it is blank; 8.49 where it is "8,49"; any other is refused.
  productId = "text",
  quantity = "quantity", -- As a price; a fraction is weighed.
  referenceId = "text",
  serviceMode = "word",
  status = "word", -- Of an unclaimed order alone; without it no ReportOrder would be here.
  subtype = "word",
  supportingPos = "text",
  tax = "tax",
  terminal = "text",
  type = "text", -- Of a payment; of a discount's details a word.
}
-- The same of the purchase of a session, of which nothing refuses it but what says whose it is, and which
-- points it spends: not even a price, which the server puts right or leaves out.
local FORGIVEN_OF_PURCHASE = {
  action = "text",
  callId = "text",
  channel = "text",
  confirmation = "details",
  itemDiscount = "figure",
  itemTax = "figure",
  locale = "text",
  mode = "text",
  originalSaleAmount = "figure",
  quantity = "figure",
  saleAmount = "figure",
  saleLineItems = "lines",
  sku = "text",
  subCategory = "text",
  tender = "details",
  transactionDate = "text",
}
-- Texts of a guest who is identified that nobody counts with.
local UNUSED = { operator = "text", supportingPos = "text", terminal = "text" }
-- Texts that say whose order it is and which: with U+FFFD in them they would name another one.
local DECISIVE = { loyaltyId = true, transactionId = true }
-- The same of a guest who is identified, and whose PLUs the answer has.
local DECISIVE_OF_GUEST = { identifier = true, posType = true, transactionId = true }
-- Lines that are neither a reward nor an offer, by their word or its number.
local ORDINARY = { COMBO = true, ITEM = true, ["1"] = true, ["2"] = true }
local MAX_QUANTITY = 9999 -- The contract's.
-- As many places of a paid body are looked at closely; those of the fullest order are fewer.
local MEND_PLACES = 20000
local MEND_KEYS = 12000 -- Names of values looked at in a paid order; the fullest one has some 8,000.
local VALUE_PLACES = 8 -- What a look at one text or value counts for.
-- What is blank of these stands for absent, as many tills write it.
local BLANK = { figure = true, price = true, quantity = true, tax = true }
-- Kinds whose values need no look where they are in quotes, or where they are in none.
local IN_QUOTES = { text = true, price = false, quantity = false }
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
local forgiven, of_purchase, unused, known_words = {}, {}, {}, {}
local KINDS_OF = { identify = unused, purchase = of_purchase }
local real_names = schema.real_names
for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    forgiven[key] = FORGIVEN[field.name]
    of_purchase[key] = FORGIVEN_OF_PURCHASE[field.name]
    unused[key] = UNUSED[field.name]
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
    or route.kind == "purchase"
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

-- Note what was put right, once for each reason and field.
function paid_orders.tell(told, reason, key)
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
function paid_orders.with_whole_texts(body, route, told)
  if #body > budget.MAX_BYTES or is_whole(body) then
    return body
  end
  local count, previous, key, refused, found = { left = MEND_STEPS }, nil, nil, false, {}
  local decisive = route.kind == "identify" and DECISIVE_OF_GUEST or DECISIVE
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
    if count.left < 0 or whole ~= part and decisive[real_names[owner]] then
      refused = true
    elseif whole ~= part then
      paid_orders.tell(found, "text", owner)
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
-- of a text are no part of it.
local function scalar(body, at)
  local text = body:match('^"([^"\\]*)"', at)
  if text then
    return texts.trimmed(text)
  end
  return body:match("^[%w%+%-%.]+", at) or ""
end

-- The number with a comma that stands at a position, as JSON writes it; nil for what has none.
local function without_comma(body, at)
  local number, has_comma = numbers.of(scalar(body, at))
  return has_comma and numbers.written(number) or nil
end

-- What stands for a number that may be left out: null for blanks, and nil for what the transcoder reads,
-- or refuses by name.
local function number_or_blank(body, at)
  return body:find('^"%s*"', at) and "null" or without_comma(body, at)
end

-- The same of one that nobody counts with: null for what is none, or *is_right* refuses.
local function number_or_null(body, at, is_right)
  local text = scalar(body, at)
  local number, has_comma = numbers.of(text)
  if text == "null" or number and not numbers.is_filled_up(text) and is_right(number) then
    return has_comma and numbers.written(number) or nil
  end
  return "null"
end

local function is_amount(number)
  return math.abs(number) < numbers.MAX_INTEGER - 1
end

-- What to write instead of a value that is none of its kind, and why; nil where it is one.
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
    local instead = number_or_null(body, at, is_amount)
    local number = not instead and numbers.of(scalar(body, at))
    if number then
      local whole, is_meant = numbers.whole_of(number)
      if not is_meant then
        return ("%d"):format(whole), "amount"
      end
    end
    return instead
  end,
  integer = function(body, at)
    return number_or_null(body, at, function(number)
      return number % 1 == 0 and is_amount(number)
    end)
  end,
  tax = function(body, at)
    local text = scalar(body, at)
    local number = texts.is_number(text) and not numbers.is_filled_up(text) and tonumber(text)
    if text == "null" or number and math.abs(number) < math.huge then
      return nil
    end
    -- Only the server knows whether the program's tax earns; blank stands for absent.
    return body:find('^"%s*"', at) and "null" or without_comma(body, at) or '"NaN"'
  end,
  list = function(body, at)
    return not body:find("^[%[{n]", at) and "null" or nil
  end,
  figure = function(body, at)
    local text = scalar(body, at)
    local number, has_comma = numbers.of(text)
    if not number or math.abs(number) == math.huge then
      return text ~= "null" and "null" or nil
    end
    return (has_comma or numbers.is_filled_up(text)) and numbers.written(number) or nil
  end,
  lines = function() end, -- Without a list of its lines it is no order.
  price = number_or_blank,
  quantity = number_or_blank,
  details = function(body, at)
    return not body:find("^[{n]", at) and "null" or nil
  end,
}

-- Whether an element of a list that is no object comes after the object that ends at a position.
local function is_before_other(body, last)
  local next_byte, second = body:byte(last + 1, last + 2)
  if next_byte == 93 or next_byte == 125 or next_byte == 44 and second == 123 then
    return false
  end
  local at = body:match("^%s*,%s*()[^%s{]", last + 1)
  return at and (body:byte(at) ~= 34 or body:find('^"[^"]*"%s*[,%]]', at)) and true or false
end

-- Elements of a list of objects that are none count as absent.
local function leave_others_out(body, at, key, edits, told, count)
  at = at + 1
  while true do
    at = body:find("[^%s,]", at)
    if not at or body:byte(at) == 93 then
      return
    end
    local last = scanner.value_end(body, at, count)
    if not last then
      return
    end
    if body:byte(at) ~= 123 and not body:find("^null", at) then
      count.left = count.left - VALUE_PLACES
      if count.left < 0 then
        return
      end
      edits[at] = { last = last, instead = "null" }
      paid_orders.tell(told, "field", key)
    end
    at = last + 1
  end
end

-- A fraction of an ordinary line, weighed goods for instance: the line is sold as one, for the price of
-- all. The server rounds it, which knows the currency's digits.
local function weigh(body, line, edits, told, count)
  if body:find("^%d+[,}]", line.quantity) then
    return -- As nearly all are.
  end
  local quantity = numbers.of(scalar(body, line.quantity))
  if not quantity or math.abs(quantity) > MAX_QUANTITY or select(2, numbers.whole_of(quantity)) then
    return
  end
  for _, name in ipairs({ "incentiveId", "loyaltyEngineId" }) do
    local named = line[name] and scalar(body, line[name])
    if named and named ~= "" and named ~= "null" then
      return
    end
  end
  if not line.productType or not ORDINARY[scalar(body, line.productType):upper()] then
    return
  end
  local text = line.price and scalar(body, line.price) or "null"
  local price = numbers.of(text)
  if not price and text ~= "null" and not body:find('^"%s*"', line.price) then
    return
  end
  local quantity_end = scanner.value_end(body, line.quantity, count)
  local price_end = price and scanner.value_end(body, line.price, count)
  count.left = count.left - VALUE_PLACES
  if not quantity_end or price and not price_end or count.left < 0 then
    return
  end
  if price then
    edits[line.price] = { last = price_end, instead = numbers.written(price * quantity) }
  end
  edits[line.quantity] = { last = quantity_end, instead = "1" }
  paid_orders.tell(told, "field", "quantity")
end

-- Whether a value is none, or is made none.
local function is_absent(body, at, instead)
  return instead == "null" or body:byte(at) == 110 and body:find("^null", at) ~= nil
end

-- A paid body that is not refused for a field which nobody counts with, nor for what comes twice; or
-- one about a guest, whose fields are fewer.
function paid_orders.put_right(body, route, told)
  local kinds = KINDS_OF[route.kind] or forgiven
  local edits, lists, has_others = {}, {}, false
  local count = { left = MEND_PLACES }
  local follower = objects.follow(body, function(object, last)
    if object and object.quantity then
      weigh(body, object, edits, told, count)
    end
    has_others = has_others or is_before_other(body, last)
  end)
  local at, details_end, object, text = 1, 0, nil, nil
  for _ = 1, MEND_KEYS do
    local from, to, key = body:find('"([%w_]+)"%s*:%s*', at)
    if not to then
      break
    end
    if follower.bracket < from then
      object = follower.at(from, text)
    end
    at = to + 1
    local first, byte = at, body:byte(at)
    text = byte == 34 and first or nil
    local kind, name = kinds[key], real_names[key]
    if name == "type" and at < details_end then
      kind = "word"
    elseif name == "status" and route.kind ~= "unclaimed" then
      kind = nil
    end
    -- A text is one as it begins, and a number without quotes is none that could be put right.
    local is_good = IN_QUOTES[kind] == (byte == 34)
    local instead, reason, last
    if kind and not is_good then
      instead, reason = FORGIVE[kind](body, first, name)
    end
    if instead or kind == "details" then
      count.left = count.left - VALUE_PLACES
      last = count.left > 0 and scanner.value_end(body, first, count)
    end
    if instead and not last then
      break -- No JSON, or too much of it: the transcoder refuses it.
    end
    -- Of a name that comes twice the last value counts; what counts as absent is none.
    local before
    if object and name and byte ~= 123 and byte ~= 91 and not is_absent(body, first, instead) then
      before, object[name] = object[name], first
    end
    if before and count.left > 0 then
      count.left = count.left - VALUE_PLACES
      local ended = scanner.value_end(body, before, count)
      if ended then
        edits[before] = { last = ended, instead = "null" }
        paid_orders.tell(told, "field", key)
      end
    end
    if instead then
      if instead ~= "null" or not body:find('^"%s*"', first) or not BLANK[kind] then
        paid_orders.tell(told, reason or "field", key)
      end
      edits[first] = { last = last, instead = instead }
      at = last + 1
    elseif last then
      details_end = last
    elseif byte == 91 and (kind == "list" or kind == "lines") then
      lists[#lists + 1] = { at = first, key = key }
      has_others = has_others or body:find("^%[%s*[^%s{%]]", first) ~= nil
    end
  end
  follower.at(#body + 1, text)
  for _, list in ipairs(has_others and lists or {}) do
    leave_others_out(body, list.at, list.key, edits, told, count)
  end
  return objects.spliced(body, edits)
end

return paid_orders
