-- The JSON door: stands before the transcoder, so it sees a legacy call before it becomes gRPC and
-- the answer after it became JSON. gRPC and gRPC-Web calls pass untouched. See README.md.
--
-- Called with the table protos/generate.py writes: the routes and the request messages.
local requests = ...

local CALL = "loyalty.json_door.call" -- dynamic metadata: what the response side must know
local BODY = "loyalty.json_door.body" -- apart from it, because only a refused call reads it back
local MAX_DEPTH = 100 -- the transcoder's own limit
local MAX_ERRORS = 200 -- more would not help a developer, and could outgrow Envoy's buffers
local SUMMED_UP = 10 -- As many wrong fields the server's metadata names.
local MAX_BODY = 524288 -- 512 KiB, as the till sent them: 500 lines at full width fit
-- No address of the contract is as long as this, however its texts are escaped.
local MAX_URL = 8192
-- Of commas and opening brackets; a test compares it with the contract. Each costs the transcoder
-- and the server some time, however little it holds.
local MAX_VALUES = 25000
-- What a walk through one refused body may cost, and all walks of a second: a few milliseconds, and
-- a small part of the worker. Beyond it the answer names no field.
local MAX_WALK_BYTES = 65536
local MAX_WALK_STEPS = 3000
local STEPS_A_SECOND = 30000
-- Where a caller's own trace begins.
local ROOT = "Root=(1%-" .. ("%x"):rep(8) .. "%-" .. ("%x"):rep(24) .. ")"
local MAX_TEXT = 8192 -- Bytes of a text that is looked at before the transcoder does.
local INVALID_CORRELATION_ID = "Invalid Correlation ID"

-- Envoy's own answers: status -> RBI code, message. ES has one code for most of 4xx.
local ANSWERS = {
  [400] = { "ValidationError", "Request body is invalid" },
  [401] = { "Unauthorized", "Authentication is missing or not valid" },
  [403] = { "Forbidden", "This key may not do that" },
  [404] = { "NotFound", "No such path" },
  [405] = { "MethodNotAllowed", "This path does not take that method" },
  [408] = { "RequestTimeout", "The request did not arrive in time" },
  [413] = { "PayloadTooLarge", "Request body is larger than 512 KiB" },
  [415] = { "UnsupportedMediaType", "Send the body as it is: no content-encoding is taken" },
  [429] = { "TooManyRequests", "Too many requests, try again later" },
  [431] = { "HeadersTooLarge", "Request headers are too large" },
  [500] = { "InternalServerError", "Something went wrong" },
  [501] = { "NotImplemented", "This call is not offered" },
  [502] = { "BadGateway", "The service gave no usable answer" },
  [503] = { "ServiceUnavailable", "The service is not available, try again later" },
  [504] = { "Timeout", "The service did not answer in time" },
}
-- Details of those that gRPC callers read a reason of.
local REASONS = {
  [400] = '{"reason":"REQUEST_INVALID","metadata":{"fields":"","violations":"0"}}',
  [401] = '{"reason":"API_KEY_MISSING","metadata":{}}',
  [429] = '{"reason":"SERVER_BUSY","metadata":{"retry_after_ms":"1000"}}',
}
local ES_CODES = {
  [429] = "TOO_MANY_REQUESTS",
  [501] = "NOT_IMPLEMENTED",
  [502] = "BAD_GATEWAY",
  [503] = "SERVICE_UNAVAILABLE",
  [504] = "TIMEOUT",
}

-- envoy.yaml repeats these for the answers that no filter sees.
local ES_HEADERS = {
  { "referrer-policy", "no-referrer" },
  { "x-xss-protection", "1;mode=block" },
  { "access-control-allow-origin", "*" },
  { "expect-ct", "max-age=86400" },
  { "strict-transport-security", "max-age=31536000" },
  { "feature-policy", "vibrate 'none'; geolocation 'none'" },
  { "x-frame-options", "sameorigin" },
  {
    "content-security-policy",
    "connect-src 'none';object-src https://*.cloudfront.net;script-src https://*.cloudfront.net",
  },
  { "cache-control", "no-cache, no-store, must-revalidate" },
  { "x-content-type-options", "nosniff" },
}
local RBI_HEADERS = {
  { "referrer-policy", "no-referrer" },
  { "x-xss-protection", "1;mode=block" },
  { "strict-transport-security", "max-age=31536000" },
  { "x-frame-options", "sameorigin" },
  { "content-security-policy", "default-src 'none'" },
  { "cache-control", "no-store" },
  { "x-content-type-options", "nosniff" },
}
-- The names of gRPC's statuses, as Envoy's access log spells them.
local STATUSES = {
  [0] = "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
}
local GRPC_LEFTOVERS = {
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "grpc-encoding",
  "grpc-accept-encoding",
  "loyalty-http-status",
  "loyalty-http-body",
}

-- Tills write 0 or 300 where the contract says "0" or "300"; the transcoder would refuse them.
-- These keys are strings in every request, so a number may be quoted wherever they stand.
-- Names of lists are lists in every request, too: where nothing is in one, some write {}.
local quotable, integers, words, lists = {}, {}, {}, {}
for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    lists[key] = lists[key] ~= false and field.repeated == true
    quotable[key] = quotable[key] ~= false and field.type == "string"
    integers[key] = integers[key] ~= false and field.type == "integer"
    for _, word in ipairs(field.words or {}) do
      -- The transcoder tries a word as it came and in upper case, never in lower case.
      if word ~= word:upper() then
        words[key] = words[key] or {}
        words[key][word:upper()] = word
      end
    end
  end
end
-- By contract a string and nothing else.
quotable.correlationId, quotable.correlation_id = false, false
-- A flag that a till may write as one.
local ALSO_BOOLEAN = { anonymousSessionId = true, anonymous_session_id = true }
-- Nothing but what they need may refuse a session, its correlation ID, and a void, its path: what else
-- has a type or text that nobody can use counts as absent. At most so many places of a body are looked
-- at for it, well above those of any session and of the fullest order.
local SESSION_PLACES, VOID_PLACES = 2000, 40000
local LOCALES = { ["en-CA"] = true, ["en-US"] = true, ["fr-CA"] = true }
-- Where a key in a query goes as it was written: the transcoder keeps "+", other readers make a
-- blank of it, and only the server can tell which was meant.
local QUERY_KEY = "loyalty-query-key"
-- What was put right in a paid order, as the server would name it to the operator.
local MENDED = "loyalty-mended"

for _, route in ipairs(requests.routes) do
  route.variables = {}
  route.bound = {} -- The fields that the path fills, under both of their names.
  local pattern = route.path:gsub("[%-%.%+%*%?%^%$%(%)%%]", "%%%0"):gsub("{([%w_]+)}", function(name)
    table.insert(route.variables, name)
    route.bound[name], route.bound[requests.messages[route.request][name].name] = true, true
    return "([^/]+)"
  end)
  route.pattern = "^" .. pattern .. "/?$" -- As the transcoder, which does without a last slash.
end

-- The route this path and method mean, and the methods this path takes.
local function find_route(call)
  local found, allowed = nil, {}
  for _, route in ipairs(requests.routes) do
    if call.path:find(route.pattern) then
      allowed[#allowed + 1] = route.method
      found = found or route.method == call.method and route
    end
  end
  return found, table.concat(allowed, ", ")
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(code)
    return string.char(tonumber(code, 16))
  end))
end

-- Tell the server how the key that a query asks about was written, if "+" can be read in two ways.
local function tell_query_key(headers, url, route)
  local query = url:match("%?(.*)$")
  if route.request ~= "loyalty.v1.GetOutcomeRequest" or not query or not query:find("+", 1, true) then
    return
  end
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=(.*)$")
    name = name and unescape(name)
    if (name == "idempotencyKey" or name == "idempotency_key") and value:find("+", 1, true) then
      headers:replace(QUERY_KEY, value)
    end
  end
end

local function escape(text)
  return (text:gsub('[%z\1-\31\\"]', function(character)
    return ("\\u%04x"):format(character:byte())
  end))
end

-- What the path fills is the path's alone. The transcoder lets a parameter of that name replace it,
-- so none goes on, however its name is escaped.
local function without_bound(url, route)
  local path, query = url:match("^([^?]*)%?(.*)$")
  if not query or #route.variables == 0 then
    return url
  end
  local kept = {}
  for part in query:gmatch("[^&]+") do
    if not route.bound[unescape(part:match("^[^=]*")):match("^[^%.]*")] then
      kept[#kept + 1] = part
    end
  end
  return path .. "?" .. table.concat(kept, "&")
end

-- What the path fills, as members that close a body. The transcoder lets a body's field replace the
-- path's, and of one that comes twice the last holds: so the path has the last word, however the
-- body spells or escapes its names.
local function closing_members(path, route)
  local members = {}
  local values = { path:match(route.pattern) }
  for index, name in ipairs(route.variables) do
    members[index] = ('"%s":"%s"'):format(name, escape(unescape(values[index])))
  end
  return table.concat(members, ",")
end

-- A body with these members before its last bracket. Where that does not close the body, the body
-- is no JSON, with them or without. From the end byte by byte: as a rule that is one step, and no
-- body makes it more than its length.
local function close_with(body, members)
  local last = members == "" and 0 or #body
  while last > 0 and body:byte(last) ~= 125 do
    last = last - 1
  end
  if last == 0 then
    return body
  end
  local before = last - 1
  local byte = body:byte(before)
  while byte == 32 or byte and byte >= 9 and byte <= 13 do
    before = before - 1
    byte = before > 0 and body:byte(before) or nil
  end
  local separator = (byte == 123 or byte == 44) and "" or "," -- After "{" or "," there is none.
  return body:sub(1, last - 1) .. separator .. members .. body:sub(last)
end

-- What is left of the walk under way, and of all walks of this second. One worker does one thing at
-- a time, so nobody else touches them meanwhile.
local steps_left, second, second_left = 0, 0, 0
local TOO_MUCH = {}

-- Take steps of this second's, at most so many of those that are left.
local function grant(most)
  local now = os.time()
  if now ~= second then
    second, second_left = now, STEPS_A_SECOND
  end
  local granted = math.min(most, second_left)
  second_left = second_left - granted
  return granted
end

local function step()
  steps_left = steps_left - 1
  if steps_left < 0 then
    error(TOO_MUCH, 0)
  end
end

-- How many bytes the character of UTF-8 has that begins here; nil where there is none.
local function character_size(text, at)
  local first, next_byte = text:byte(at, at + 1)
  next_byte = next_byte or 0
  local size
  if first >= 0xC2 and first <= 0xDF then
    size = 2
  elseif first >= 0xE0 and first <= 0xEF then
    size = 3
  elseif first >= 0xF0 and first <= 0xF4 then
    size = 4
  end
  local refused = not size
    or not text:find("^" .. ("[\128-\191]"):rep(size - 1), at + 1)
    or (first == 0xE0 and next_byte < 0xA0) -- overlong
    or (first == 0xED and next_byte > 0x9F) -- a surrogate
    or (first == 0xF0 and next_byte < 0x90) -- overlong
    or (first == 0xF4 and next_byte > 0x8F) -- past the last code point
  return not refused and size or nil
end

-- The position of the first byte that is no UTF-8, or nil. Calls *each*, if given, for each
-- character of several bytes.
local function invalid_utf8(text, each)
  local at = 1
  while true do
    at = text:find("[\128-\255]", at)
    if not at then
      return nil
    end
    if each then
      each()
    end
    local size = character_size(text, at)
    if not size then
      return at
    end
    at = at + size
  end
end

-- Tell what looks like a number, part by part: in one pattern, digits beside digits would be shared
-- out in every possible way before it fails, which takes hours where they are many.
local function is_number(token)
  local _, whole = token:find("^%-?%d+")
  if not whole then
    return false
  end
  local _, decimals = token:find("^%.?%d*", whole + 1)
  return token:find("^[eE]?[%+%-]?%d*$", decimals + 1) ~= nil
end

-- What adding up doubles leaves behind is no part of a number: 1998.9999999999998 cents are 1999.
local NOISE = 1e-6
local MAX_INTEGER = 2 ^ 31

-- The whole number that a number with a fraction or an exponent stands for, as text; nil where it
-- stands for none. Of a payment that was made the nearest is enough: nobody counts with it.
local function whole_number(key, value, paid)
  if not value:find("[%.eE]") or not is_number(value) or value:find("^%-?0%d") or not value:find("%d$") then
    return nil
  end
  local number = tonumber(value)
  local whole = number and math.floor(number + 0.5)
  if not whole or math.abs(whole) > MAX_INTEGER then
    return nil
  end
  if math.abs(number - whole) <= NOISE or key == "amount" and paid() then
    return ("%d"):format(whole)
  end
  return nil
end

-- Whether a call is about an order that its guest has paid, or takes one back.
local function is_paid(route, body)
  return route.request == "loyalty.v1.RecordUnclaimedOrderRequest"
    or route.request == "loyalty.v1.VoidTransactionRequest"
    or route.request == "loyalty.v1.ReportOrderRequest"
      and (
        body:find('"status"%s*:%s*"%s*[cC][lL][aA][iI][mM][eE][dD]%s*"') ~= nil
        or body:find('"status"%s*:%s*2%s*[,}]') ~= nil -- The same by its number.
      )
end

-- A body without the mark that some systems put before UTF-8.
local function without_mark(body)
  return body:sub(1, 3) == "\239\187\191" and body:sub(4) or body
end

-- Make of a till's body what the transcoder accepts. A quote inside a JSON string is always
-- escaped, so `"key":` can only be a key.
local function admit(body, route)
  local known_paid
  local function paid()
    if known_paid == nil then
      known_paid = is_paid(route, body)
    end
    return known_paid
  end
  if body:find("{%s*}") then
    body = body:gsub('"([%w_]+)"(%s*:%s*){(%s*)}', function(key, colon, blanks)
      return lists[key] and '"' .. key .. '"' .. colon .. "[" .. blanks .. "]" or nil
    end)
  end
  -- Once over the body for both, for it may be long.
  return (body:gsub('"([%w_]+)"(%s*:%s*)("?)([%w%.%+%-_]*)("?)', function(key, colon, open, value, close)
    if integers[key] then
      local whole = open == close and whole_number(key, value, paid)
      return whole and '"' .. key .. '"' .. colon .. whole or nil
    elseif open == "" then
      if
        quotable[key]
        and (is_number(value) or ALSO_BOOLEAN[key] and (value == "true" or value == "false"))
      then
        return '"' .. key .. '"' .. colon .. '"' .. value .. '"' .. close
      end
    elseif close ~= "" and words[key] then
      local known = words[key][value:upper()]
      return known and '"' .. key .. '"' .. colon .. '"' .. known .. '"' or nil
    end
  end))
end

-- Parse JSON into nodes {kind=, ...} that keep order and raw text; nil, problem, position if malformed.
-- After a node, what nobody can hold even where nobody reads it: {problem=, at=} of the first number
-- that is too large, or text that is none.
local function parse(text)
  local at, depth = 1, 0
  local value, unheld

  local function stop(problem, position)
    error({ problem = problem, at = position or at }, 0)
  end
  local function skip_blanks()
    at = text:find("[^ \t\r\n]", at) or #text + 1
  end
  local function take(character, problem)
    if text:sub(at, at) ~= character then
      stop(at > #text and "ends too early" or problem)
    end
    at = at + 1
  end
  local function quoted()
    local from = at + 1
    local position = from
    while true do
      step()
      position = text:find('["\\]', position)
      if not position then
        stop("has a string without an end", from - 1)
      elseif text:byte(position) == 34 then
        break
      elseif not text:find('^["\\/bfnrt]', position + 1) and not text:find("^u%x%x%x%x", position + 1) then
        stop("has an unknown escape", position)
      end
      position = position + 2
    end
    at = position + 1
    local content = text:sub(from, position - 1)
    local plain = content:gsub("\\u00([0-7]%x)", function(code)
      return string.char(tonumber(code, 16))
    end)
    -- Half of a surrogate pair is no character either.
    local halves = content:gsub("\\u[dD][89aAbB]%x%x\\u[dD][c-fC-F]%x%x", "")
    local broken = invalid_utf8(content, step) or halves:find("\\u[dD][89a-fA-F]%x%x")
    if broken then
      unheld = unheld or { problem = "has text that is not valid UTF-8", at = from - 1 }
    end
    return { kind = "string", text = plain, broken = broken and true or false }
  end
  local function list(close, member)
    local items = {}
    at = at + 1
    depth = depth + 1
    if depth > MAX_DEPTH then
      stop("is nested deeper than " .. MAX_DEPTH .. " levels")
    end
    skip_blanks()
    if text:sub(at, at) == close then
      at = at + 1
    else
      repeat
        skip_blanks()
        items[#items + 1] = member()
        skip_blanks()
        local comma = text:sub(at, at) == ","
        if comma then
          at = at + 1
        end
      until not comma
      take(close, 'needs "," or "' .. close .. '"')
    end
    depth = depth - 1
    return items
  end
  local function member()
    if text:sub(at, at) ~= '"' then
      stop(at > #text and "ends too early" or "needs a quoted field name")
    end
    local key = quoted().text
    skip_blanks()
    take(":", 'needs ":"')
    skip_blanks()
    return { key = key, node = value() }
  end
  value = function()
    step()
    local first = text:sub(at, at)
    if first == "{" then
      return { kind = "object", members = list("}", member) }
    elseif first == "[" then
      return { kind = "array", items = list("]", value) }
    elseif first == '"' then
      return quoted()
    end
    local token = text:match("^[%w%+%-%.]+", at)
    if not token then
      stop(at > #text and "ends too early" or "has an unexpected character")
    end
    local number = is_number(token) and token:match("^%-?(%d+)")
    local kind = (token == "true" or token == "false") and "bool"
      or token == "null" and "null"
      or number and tonumber(token) and (number == "0" or number:byte() ~= 48) and "number"
    if not kind then
      stop("has an unknown word")
    end
    if kind == "number" and math.abs(tonumber(token)) == math.huge then
      unheld = unheld or { problem = "has a number that is too large", at = at }
    end
    at = at + #token
    return { kind = kind, text = token }
  end

  local parsed, node = pcall(function()
    skip_blanks()
    local top = value()
    skip_blanks()
    if at <= #text then
      stop("goes on after its end")
    end
    return top
  end)
  if parsed then
    return node, nil, unheld
  end
  if node == TOO_MUCH then
    error(TOO_MUCH, 0)
  end
  return nil, node.problem or "cannot be read", node.at or at
end

-- Where a text ends that begins before this position, and where a value that begins there; nil for
-- none. Each place that is looked at counts.
local function text_end(body, at, count)
  while true do
    at = body:find('["\\]', at)
    count.left = count.left - 1
    if not at or count.left < 0 then
      return nil
    elseif body:byte(at) == 34 then
      return at
    end
    at = at + 2
  end
end

local function value_end(body, at, count)
  local first = body:byte(at)
  if first == 34 then
    return text_end(body, at + 1, count)
  elseif first ~= 123 and first ~= 91 then
    return select(2, body:find("^[%w%+%-%.]+", at))
  end
  local depth = 0
  repeat
    at = body:find('["%[%]{}]', at)
    count.left = count.left - 1
    if not at or count.left < 0 then
      return nil
    end
    local byte = body:byte(at)
    if byte == 34 then
      at = text_end(body, at + 1, count)
      if not at then
        return nil
      end
    else
      depth = depth + ((byte == 123 or byte == 91) and 1 or -1)
    end
    at = at + 1
  until depth == 0
  return at - 1
end

-- Whether a value, as it stands in the body, is one that its field of a lenient call can have.
local function is_usable(text, key, field)
  if field.type ~= "string" or #text > MAX_TEXT then
    return false
  end
  steps_left = MAX_TEXT
  local parsed, node = pcall(parse, text)
  if not parsed or not node or node.broken then
    return false
  elseif field.name == "locale" then
    return LOCALES[node.text]
  end
  return node.kind == "string"
    or node.kind == "number" and quotable[key]
    or node.kind == "bool" and ALSO_BOOLEAN[key]
    or false
end

-- The members of a body's top level, as {key, first, last} of their values, and whether the body ends
-- with them; of what is no object there are none.
local function top_members(body, count)
  local members = {}
  local at = body:match("^[ \t\r\n]*{()")
  while at do
    local from = body:match('^[ \t\r\n]*"()', at)
    if not from then
      return members, body:find("^[ \t\r\n]*}[ \t\r\n]*$", at) ~= nil
    end
    local to = text_end(body, from, count)
    local value = to and body:match("^[ \t\r\n]*:[ \t\r\n]*()", to + 1)
    local last = value and value_end(body, value, count)
    if not last then
      break
    end
    members[#members + 1] = { key = body:sub(from, to - 1), first = value, last = last }
    at = body:match("^[ \t\r\n]*,()", last + 1) or last + 1
  end
  return members, false
end

-- A session's body, with null for what nobody can use of it. What is no JSON stays as it is: the
-- transcoder refuses it.
local function without_unusable(body, route)
  local fields, needed = requests.messages[route.request], {}
  for _, field in ipairs(requests.required[route.request]) do
    needed[field.name] = true
  end
  local pieces, copied = {}, 1
  for _, member in ipairs((top_members(body, { left = SESSION_PLACES }))) do
    local field = fields[member.key]
    if field and not needed[field.name] and not is_usable(body:sub(member.first, member.last), member.key, field) then
      pieces[#pieces + 1] = body:sub(copied, member.first - 1)
      copied = member.last + 1
    end
  end
  pieces[#pieces + 1] = body:sub(copied)
  return table.concat(pieces, "null")
end

-- What a void's body says that its path does not, and no more. One that can't be read says nothing.
local function of_void(body, route)
  local members, whole = top_members(body, { left = VOID_PLACES })
  local kept = {}
  for _, member in ipairs(whole and members or {}) do
    local field, text = requests.messages[route.request][member.key], body:sub(member.first, member.last)
    -- A number names no guest, but may be the till's own number of the order.
    local named = field and (field.name ~= "loyaltyId" or text:byte() == 34)
    if named and not field.unread and not route.bound[member.key] and is_usable(text, member.key, field) then
      kept[#kept + 1] = ('"%s":%s'):format(member.key, text)
    end
  end
  return "{" .. table.concat(kept, ",") .. "}"
end

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
-- May be left out of a paid order, where any other is refused.
local LEFT_OUT = { channel = true, serviceMode = true, type = true }
-- As many places of a paid body are looked at closely; those of the fullest order are fewer.
local MEND_PLACES = 20000
local MEND_BYTES = 262144 -- An order of 500 lines as tills write them has half of it.
local MEND_KEYS = 12000 -- Names of values looked at in a paid order; the fullest one has some 8,000.
local VALUE_PLACES = 8 -- What a look at one text or value counts for.
-- What it may cost to repair one body's texts. All of a second share STEPS_A_SECOND with the walks.
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
local forgiven, known_words, real_names = {}, {}, {}
for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    real_names[key] = field.name
    forgiven[key] = FORGIVEN[field.name]
    if field.words and FORGIVEN[field.name] then
      known_words[field.name] = known_words[field.name] or {}
      for _, word in ipairs(field.words) do
        known_words[field.name][word:upper()] = true
      end
    end
  end
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
      size = character_size(text, at)
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
local function with_whole_texts(body, told)
  if #body > MAX_WALK_BYTES or is_whole(body) then
    return body
  end
  local granted = grant(MEND_STEPS)
  local count, previous, key, refused, found = { left = granted }, nil, nil, false, {}
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
  second_left = second_left + math.max(count.left, 0)
  if refused then
    return body
  end
  for _, line in ipairs(found) do
    told[#told + 1] = line
  end
  return repaired
end

-- What stands in a number's place, with quotes or without; "" for what is neither.
local function scalar(body, at)
  return body:match('^"([^"\\]*)"', at) or body:match("^[%w%+%-%.]+", at) or ""
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
  details = function(body, at)
    return not body:find("^[{n]", at) and "null" or nil
  end,
}

-- A paid body that is not refused for a field which nobody counts with.
local function put_right(body, route, told)
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
    elseif name == "status" and route.request ~= "loyalty.v1.RecordUnclaimedOrderRequest" then
      kind = nil
    end
    local instead = kind and FORGIVE[kind](body, at, name)
    local last
    if instead or kind == "details" then
      count.left = count.left - VALUE_PLACES
      last = count.left > 0 and value_end(body, at, count)
    end
    if instead and not last then
      break -- No JSON, or too much of it: the transcoder refuses it.
    elseif instead then
      if not body:find('^"%s*"', at) or kind ~= "tax" then
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

local check_message

-- One check a type: the message to answer, or nil where the value is good.
local CHECKS = {
  any = function() end,
  string = function(node)
    if node.kind ~= "string" then
      return "must be a string"
    end
    return node.broken and "must be valid UTF-8 text" or nil
  end,
  bool = function(node)
    return node.kind ~= "bool" and node.text ~= "true" and node.text ~= "false" and "must be true or false" or nil
  end,
  number = function(node)
    -- Lua reads more than JSON: blanks around it, and hexadecimal digits.
    local number = (node.kind == "number" or node.kind == "string" and is_number(node.text)) and tonumber(node.text)
    return (not number or math.abs(number) == math.huge) and "must be a number" or nil
  end,
  integer = function(node, field)
    local digits = node.kind == "number" or node.kind == "string" and node.text:find("^%-?%d+$")
    local number = digits and tonumber(node.text)
    if not number or (number % 1 ~= 0 and math.abs(number) < 2 ^ 53) then
      return "must be an integer"
    elseif number < field.least or number > field.most then
      return ("must be an integer from %d to %d"):format(field.least, field.most)
    end
    return nil
  end,
  enum = function(node, field)
    for _, word in ipairs(field.words) do
      if node.kind == "number" or node.kind == "string" and node.text:upper() == word:upper() then
        return nil
      end
    end
    return "must be one of " .. table.concat(field.words, ", ")
  end,
}

local function add_error(errors, path, message)
  if #errors < MAX_ERRORS then
    errors[#errors + 1] = { field = path, message = message }
  end
end

local function check(node, field, path, errors, unread)
  local message
  if field.type == "message" then
    if node.kind == "object" then
      return check_message(node, field.message, path .. ".", errors, unread or field.unread)
    end
    message = "must be an object"
  else
    message = CHECKS[field.type](node, field)
  end
  if message then
    add_error(errors, path, message)
  end
end

-- Name the fields that are left out, in the server's words: it does not see the call.
local function check_required(message, given, prefix, errors)
  for _, field in ipairs(requests.required[message]) do
    local excused = errors.paid and LEFT_OUT[field.name]
    if not given[field.name] and not given[field.proto_name] and not excused then
      add_error(errors, prefix .. field.name, field.missing)
    end
  end
end

check_message = function(node, message, prefix, errors, unread, given)
  given = given or {}
  for _, member in ipairs(node.members) do
    local field, value = requests.messages[message][member.key], member.node
    given[member.key] = given[member.key] or value.kind ~= "null"
    local path = field and prefix .. field.name
    if not field or value.kind == "null" then
      -- Unknown fields are ignored, and null means absent.
    elseif not field.repeated then
      check(value, field, path, errors, unread)
    elseif value.kind ~= "array" then
      add_error(errors, path, "must be a list")
    else
      for index, item in ipairs(value.items) do
        check(item, field, path .. "[" .. index - 1 .. "]", errors, unread)
      end
    end
  end
  if not unread then
    check_required(message, given, prefix, errors)
  end
end

-- Check what came in the path and the query, where everything is text; answers what was given.
local function check_url(call, route, errors)
  local given = {}
  local function check_text(key, text)
    given[key] = true
    local field = requests.messages[route.request][key]
    if field and field.type ~= "message" then
      local node = { kind = "string", text = text, broken = invalid_utf8(text, step) }
      check(node, field, field.name, errors)
    end
  end
  local values = { call.path:match(route.pattern) }
  for index, name in ipairs(route.variables) do
    check_text(name, unescape(values[index]))
  end
  for part in call.query:gmatch("[^&]+") do
    step()
    local equals = part:find("=", 2, true)
    if equals then
      check_text(unescape(part:sub(1, equals - 1)), unescape(part:sub(equals + 1)))
    end
  end
  return given
end

local function placed(body, problem, at)
  local before = body:sub(1, at - 1)
  local _, lines = before:gsub("\n", "")
  local column = #before - (before:match("^.*()\n") or 0) + 1
  return ("JSON %s (line %d, column %d)"):format(problem, lines + 1, column)
end

-- Find every field that is wrong; stops with TOO_MUCH where that takes more steps than are left.
local function walk(call, route, body)
  local errors = { paid = is_paid(route, body or "") }
  local given = check_url(call, route, errors)
  if body then
    local node, problem, where = parse(body)
    if problem then
      errors[#errors + 1] = { field = "", message = placed(body, problem, where) }
    elseif node.kind ~= "object" then
      errors[#errors + 1] = { field = "", message = "must be a JSON object" }
    else
      check_message(node, route.request, "", errors, false, given)
      if #errors == 0 and where then
        errors[1] = { field = "", message = placed(body, where.problem, where.at) }
      end
    end
  end
  return errors
end

-- The slow path of a refused call: what is wrong with it, field by field where that is soon found.
local function violations(call, route, body)
  if call.problem then
    return { { field = "", message = call.problem } }
  end
  local found, errors = false, nil
  steps_left = #(body or "") <= MAX_WALK_BYTES and grant(MAX_WALK_STEPS) or 0
  if steps_left > 0 then
    found, errors = pcall(walk, call, route, body)
    second_left = second_left + math.max(steps_left, 0)
    if not found and errors ~= TOO_MUCH then
      error(errors, 0)
    end
  end
  if not found or #errors == 0 then
    return { { field = "", message = "is not an acceptable request" } }
  end
  return errors
end

local function es_body(status, message)
  local code = ES_CODES[status] or status < 500 and "INVALID_REQUEST" or "INTERNAL_ERROR"
  return ('{"statusCode":%d,"errorMessage":"%s","errorCode":"%s"}'):format(status, escape(message), code)
end

local function rbi_body(status, code, message, details)
  return ('{"statusCode":%d,"isEngineError":false,"code":"%s","message":"%s","details":%s}'):format(
    status,
    code,
    escape(message),
    details
  )
end

local function validation_body(call, errors)
  local parts = {}
  for index, problem in ipairs(errors) do
    if not call.es then
      parts[index] = ('{"field":"%s","message":"%s"}'):format(escape(problem.field), escape(problem.message))
    elseif problem.field == "" or problem.field == "correlationId" then
      return es_body(400, INVALID_CORRELATION_ID)
    else
      parts[index] = problem.field .. " " .. problem.message
    end
  end
  if call.es then
    return es_body(400, table.concat(parts, "; "))
  end
  local answer, named = ANSWERS[400], {}
  for index = 1, math.min(#errors, SUMMED_UP) do
    named[index] = errors[index].field
  end
  local details = ('{"reason":"REQUEST_INVALID","metadata":{"fields":"%s","violations":"%d"},"errors":[%s]}'):format(
    escape(table.concat(named, ",")),
    #errors,
    table.concat(parts, ",")
  )
  return rbi_body(400, answer[1], answer[2], details)
end

-- Word an answer that carries no body of the server's: Envoy's own, or a bare gRPC status.
local function own_answer(call, status, from_grpc, metadata)
  local route, allowed = find_route(call)
  if status == 404 and not route and allowed ~= "" then
    status = 405
  elseif status == 400 and route and not from_grpc then
    local kept = metadata:get(BODY)
    return 400, validation_body(call, violations(call, route, kept and kept.text))
  end
  local answer = ANSWERS[status] or ANSWERS[status < 500 and 400 or 500]
  local body = call.es and es_body(status, answer[2])
    or rbi_body(status, answer[1], answer[2], REASONS[status] or "{}")
  return status, body, status == 405 and allowed or nil
end

-- Whether a body holds more values than any request of the contract can; strings count too, for it
-- only looks for their separators.
local function has_too_many_values(body)
  if #body <= MAX_VALUES then
    return false
  end
  local count = 0
  for _, separator in ipairs({ ",", "{", "[" }) do
    local at = body:find(separator, 1, true)
    while at do
      count = count + 1
      if count > MAX_VALUES then
        return true
      end
      at = body:find(separator, at + 1, true)
    end
  end
  return false
end

-- Remove what means something to gRPC or between us and the server: a JSON call has none of it, so
-- it is the caller's invention.
local function remove_inner_headers(headers)
  local inner = {}
  for name in pairs(headers) do
    if name:find("^grpc%-") or name:find("^loyalty%-") or name:find("%-bin$") then
      inner[#inner + 1] = name
    end
  end
  for _, name in ipairs(inner) do
    headers:remove(name)
  end
end

-- Whether a body comes in another form than its own.
local function is_encoded(encoding)
  encoding = encoding:lower():gsub("%s", "")
  return encoding ~= "" and encoding ~= "identity"
end

-- What the published gateway of that contract adds to each answer, all made of the request's ID.
local function add_gateway_headers(handle, request_id, root)
  local digits = request_id:gsub("%-", "")
  local bytes = digits:sub(1, 22):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end)
  if root == "" then
    root = ("1-%08x-%s"):format(os.time(), digits:sub(-24))
  end
  local headers = handle:headers()
  headers:replace("x-amzn-requestid", request_id)
  headers:replace("x-amz-apigw-id", handle:base64Escape(bytes))
  headers:replace("x-amzn-trace-id", "Root=" .. root .. ";Sampled=0")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local content_type = headers:get("content-type") or ""
  if content_type == "application/grpc" or content_type:sub(1, 17) == "application/grpc+" then
    headers:remove("loyalty-dialect")
    headers:remove(MENDED)
    return
  end
  if content_type:sub(1, 16) == "application/grpc" then
    -- Neither gRPC nor JSON; from here on nobody may take it for gRPC.
    headers:replace("content-type", "application/json")
  end

  remove_inner_headers(headers)
  local url = headers:get(":path") or "/"
  local method = headers:get(":method")
  local metadata = handle:streamInfo():dynamicMetadata()
  headers:replace("loyalty-dialect", url:sub(1, 8) == "/client/" and "es" or "rbi")
  metadata:set(CALL, "line", method .. " " .. url)
  metadata:set(CALL, "grpc_status", "-") -- Until a server has answered.
  if headers:get("loyalty-dialect") == "es" then
    metadata:set(CALL, "request_id", headers:get("x-request-id") or "")
    metadata:set(CALL, "root", (headers:get("x-amzn-trace-id") or ""):match(ROOT) or "")
  end
  local refusal
  if tonumber(headers:get("content-length") or 0) > MAX_BODY then
    refusal = "413" -- Before the till has sent it all.
  elseif method == "OPTIONS" then
    refusal = "404" -- Becomes 405 where the path takes another method.
  elseif #url > MAX_URL then
    metadata:set(CALL, "problem", "has an address of more than 8 KiB")
    refusal = "400"
  elseif url:find("%", 1, true) and invalid_utf8(unescape(url)) then
    refusal = "400" -- The transcoder would pass it on, and no protobuf parser would read it.
  end
  local path = url:match("^[^?]*")
  local route = not refusal and find_route({ method = method, path = path })
  if not route then
    -- What the door does not know it does not let through: it could not tell what the path fills.
    handle:respond({ [":status"] = refusal or "404" }, "")
    return
  end
  local cleaned = without_bound(url, route)
  if cleaned ~= url then
    headers:replace(":path", cleaned)
    metadata:set(CALL, "line", method .. " " .. cleaned)
  end

  local encoded = is_encoded(headers:get("content-encoding") or "")
  tell_query_key(headers, cleaned, route)
  local buffer = handle:body()
  if not buffer then
    return
  end
  if buffer:length() > MAX_BODY or encoded then
    handle:respond({ [":status"] = encoded and "415" or "413" }, "")
    return
  end
  local body = buffer:getBytes(0, buffer:length())
  -- What was fetched before the wait for the body is out of scope after it.
  metadata = handle:streamInfo():dynamicMetadata()
  if has_too_many_values(body) then
    metadata:set(CALL, "problem", ("has more than %d values"):format(MAX_VALUES))
    handle:respond({ [":status"] = "400" }, "")
    return
  end
  local admitted = without_mark(body)
  local told = {}
  if route.request == "loyalty.v1.VoidTransactionRequest" then
    admitted = of_void(admitted, route)
  elseif route.request == "loyalty.v1.StartAnonymousSessionRequest" then
    admitted = without_unusable(admitted, route)
  elseif #admitted <= MEND_BYTES and is_paid(route, admitted) then
    admitted = put_right(with_whole_texts(admitted, told), route, told)
  end
  admitted = admit(admitted, route)
  local closed = close_with(admitted, closing_members(path, route))
  if closed ~= body then
    buffer:setBytes(closed)
  end
  if #told > 0 then
    handle:headers():replace(MENDED, table.concat(told, ","))
  end
  -- Kept texts end at a NUL, which no JSON has; another byte in its place is refused where it stands.
  metadata:set(BODY, "text", (admitted:gsub("%z", "\1")))
end

local function strip_leftovers(headers)
  for _, name in ipairs(GRPC_LEFTOVERS) do
    headers:remove(name)
  end
end

-- Keep what the server answered for the access log, for the caller is not shown it.
local function note_status(handle, from_grpc)
  local name = STATUSES[tonumber(from_grpc)]
  if name then
    handle:streamInfo():dynamicMetadata():set(CALL, "grpc_status", name)
  end
end

-- Envoy invalidates an object when the script waits, so each is fetched again after body().
function envoy_on_response(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALL)
  if not kept then
    -- Refused before it came here: local_reply_config gives an ID, and this header under /client/.
    local headers = handle:headers()
    if headers:get("expect-ct") then
      add_gateway_headers(handle, headers:get("x-request-id") or "", "")
    end
    return
  end
  local method, path, query = kept.line:match("^(%S+) ([^?]*)%??(.*)$")
  local call = {
    method = method,
    path = path,
    query = query,
    es = path:sub(1, 8) == "/client/",
    problem = kept.problem,
  }
  local headers = handle:headers()
  for _, header in ipairs(call.es and ES_HEADERS or RBI_HEADERS) do
    headers:replace(header[1], header[2])
  end
  if call.es then
    add_gateway_headers(handle, kept.request_id, kept.root)
  end
  local status = tonumber(headers:get(":status"))
  local ready, ready_status = headers:get("loyalty-http-body"), headers:get("loyalty-http-status")
  local from_grpc = headers:get("grpc-status")
  if headers:get("content-type") == "application/grpc" then
    -- Envoy's own refusal of a call that said it was gRPC: see gate.lua.
    local told = (headers:get("grpc-message") or ""):match('^{"statusCode":(%d+)')
    if told then
      status, from_grpc = tonumber(told), nil
      headers:replace(":status", told)
    end
  end
  note_status(handle, from_grpc)
  strip_leftovers(headers)
  if status < 400 and call.path ~= "/loyalty/identify" then
    return
  end

  local buffer = handle:body(true)
  local trailers = handle:trailers()
  if trailers then
    -- A refusal after the headers were sent.
    ready, ready_status = trailers:get("loyalty-http-body"), trailers:get("loyalty-http-status")
    from_grpc = trailers:get("grpc-status")
    note_status(handle, from_grpc)
    strip_leftovers(trailers)
  elseif status >= 400 and ready then
    -- The transcoder has made the refusal's status its body.
    local start = buffer:getBytes(0, math.min(buffer:length(), 32))
    note_status(handle, start:match('^{"code":(%d+)'))
  end
  local body, allowed
  if ready and ready_status then
    status, body = ready_status, ready
  elseif status >= 400 then
    status, body, allowed = own_answer(call, status, from_grpc, handle:streamInfo():dynamicMetadata())
  else
    -- The contract shows an empty `order`, and no `eligibleDiscounts` where there is none; the
    -- transcoder prints both or neither.
    local text = buffer and buffer:getBytes(0, buffer:length()) or ""
    local from, to = text:find('"eligibleDiscounts":[],', 1, true)
    if not from then
      return
    end
    body = text:sub(1, from - 1) .. text:sub(to + 1)
  end

  headers = handle:headers()
  headers:replace(":status", tostring(status))
  headers:replace("content-type", "application/json")
  if allowed then
    headers:replace("allow", allowed)
  end
  if (tonumber(status) == 429 or tonumber(status) == 503) and not headers:get("retry-after") then
    headers:replace("retry-after", "1")
  end
  headers:replace("content-length", tostring(#body))
  if call.method ~= "HEAD" then
    buffer:setBytes(body)
  end
end
