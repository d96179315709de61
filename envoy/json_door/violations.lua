-- What is wrong with a refused call, field by field. The transcoder names only the first one.
local clock = require("clock")
local requests = require("json_requests")
local budget = require("json_door.budget")
local paid_orders = require("json_door.paid_orders")
local parser = require("json_door.parser")
local texts = require("json_door.texts")

local MAX_ERRORS = 200 -- more would not help a developer, and could outgrow Envoy's buffers
-- What a walk through one refused body may cost. Beyond it the answer names the body alone.
local MAX_WALK_STEPS = 3000
-- What stands for the field where it is the call as a whole.
local BODY, ADDRESS = "body", "address"

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
    local digits = node.kind == "number" or node.kind == "string" and texts.is_number(node.text)
    local number = digits and tonumber(node.text)
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

local function add_error(errors, path, message, missing)
  if #errors < MAX_ERRORS then
    errors[#errors + 1] = { field = path, message = message, missing = missing }
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
    local excused = errors.paid and paid_orders.LEFT_OUT[field.name]
    if not given[field.name] and not given[field.proto_name] and not excused then
      add_error(errors, prefix .. field.name, field.missing, true)
    end
  end
end

check_message = function(node, message, prefix, errors, unread, given)
  given = given or {}
  local seen = {}
  for _, member in ipairs(node.members) do
    local field, value = requests.messages[message][member.key], member.node
    given[member.key] = given[member.key] or value.kind ~= "null"
    local path = field and prefix .. field.name
    local is_scalar = field and value.kind ~= "null" and not field.repeated and field.type ~= "message"
    if is_scalar and seen[field.name] then
      add_error(errors, path, "is given twice")
    end
    if is_scalar then
      seen[field.name] = true
    end
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

-- Check what came in the path and the query, where everything is text; returns what was given.
local function check_url(call, route, errors)
  local given = {}
  local function check_text(key, text)
    given[key] = true
    local field = requests.messages[route.request][key]
    if field and field.type ~= "message" then
      local node = { kind = "string", text = text, broken = texts.invalid_utf8(text, budget.step) }
      check(node, field, field.name, errors)
    end
  end
  local values = { call.path:match(route.pattern) }
  for index, name in ipairs(route.variables) do
    check_text(name, texts.unescape(values[index]))
  end
  for part in call.query:gmatch("[^&]+") do
    budget.step()
    local equals = part:find("=", 2, true)
    if equals then
      check_text(texts.unescape(part:sub(1, equals - 1)), texts.unescape(part:sub(equals + 1)))
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

-- Find every field that is wrong; stops with budget.TOO_MUCH where that takes more steps than are left.
local function walk(call, route, body)
  local errors = { paid = paid_orders.is_paid(route, body or "") }
  local given = check_url(call, route, errors)
  if body then
    local node, problem, where = parser.parse(body)
    if problem then
      errors[#errors + 1] = { field = "", message = placed(body, problem, where) }
    elseif node.kind ~= "object" then
      errors[#errors + 1] = { field = BODY, message = "must be a JSON object", whole = true }
    else
      check_message(node, route.request, "", errors, false, given)
      if #errors == 0 and where then
        errors[1] = { field = "", message = placed(body, where.problem, where.at) }
      end
    end
  end
  return errors
end

-- Tell what keeps a refused body from being looked at, with the bound that it is beyond.
local function too_much(body, route)
  if body and #body > paid_orders.MAX_BYTES and paid_orders.is_paid(route, body) then
    return ("is not acceptable; beyond %d bytes a paid order is not put right"):format(paid_orders.MAX_BYTES)
  elseif body and #body > budget.MAX_BYTES then
    return ("is not acceptable; beyond %d bytes it is not looked at what is wrong in it"):format(budget.MAX_BYTES)
  end
  return ("is not acceptable; beyond %d parts it is not looked at what is wrong in it"):format(MAX_WALK_STEPS)
end

-- The slow path of a refused call: what is wrong with it, field by field where that is soon found and
-- its caller has time left.
local function find_violations(call, route, body)
  if call.problem then
    local field, problem = call.problem:match("^(%a+) (.*)$")
    return { { field = field, message = problem, whole = true } }
  end
  local found, errors, message = false, nil, nil
  if not budget.has_time(call.account) then
    message = "is not acceptable; its caller has sent too much to look at what is wrong in it now"
  elseif #(body or "") > budget.MAX_BYTES then
    message = too_much(body, route)
  else
    local began = clock.worked()
    budget.begin(MAX_WALK_STEPS)
    found, errors = pcall(walk, call, route, body)
    budget.charge(call.account, began)
    if not found and errors ~= budget.TOO_MUCH then
      error(errors, 0)
    end
    message = found and "is not an acceptable request" or too_much(body, route)
  end
  if not found or #errors == 0 then
    return { { field = body and BODY or ADDRESS, message = message, whole = true } }
  end
  return errors
end

return { find = find_violations }
