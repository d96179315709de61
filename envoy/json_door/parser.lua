-- Reads JSON strictly, so that a refused call hears what is wrong and where. Only the slow path of a
-- call, and single texts of a session or a void, come here.
local budget = require("json_door.budget")
local texts = require("json_door.texts")

local MAX_DEPTH = 100 -- the transcoder's own limit

local step = budget.step

-- Each function takes the state {text=, at=, depth=, unheld=} and moves it on.
local read_value

local function stop(state, problem, position)
  error({ problem = problem, at = position or state.at }, 0)
end

local function skip_blanks(state)
  state.at = state.text:find("[^ \t\r\n]", state.at) or #state.text + 1
end

local function is_at(state, character)
  return state.text:sub(state.at, state.at) == character
end

local function take(state, character, problem)
  if not is_at(state, character) then
    stop(state, state.at > #state.text and "ends too early" or problem)
  end
  state.at = state.at + 1
end

-- The last byte of the text that begins at the state's position.
local function last_of_text(state, from)
  local text, position = state.text, from
  while true do
    step()
    position = text:find('["\\]', position)
    if not position then
      stop(state, "has a string without an end", from - 1)
    elseif text:byte(position) == 34 then
      return position - 1
    elseif not text:find('^["\\/bfnrt]', position + 1) and not text:find("^u%x%x%x%x", position + 1) then
      stop(state, "has an unknown escape", position)
    end
    position = position + 2
  end
end

local function read_text(state)
  local from = state.at + 1
  local last = last_of_text(state, from)
  state.at = last + 2
  local content = state.text:sub(from, last)
  local plain = content:gsub("\\u00([0-7]%x)", function(code)
    return string.char(tonumber(code, 16))
  end)
  -- Half of a surrogate pair is no character either.
  local halves = content:gsub("\\u[dD][89aAbB]%x%x\\u[dD][c-fC-F]%x%x", "")
  local broken = texts.invalid_utf8(content, step) or halves:find("\\u[dD][89a-fA-F]%x%x")
  if broken then
    state.unheld = state.unheld or { problem = "has text that is not valid UTF-8", at = from - 1 }
  end
  return { kind = "string", text = plain, broken = broken and true or false }
end

local function read_list(state, close, read_item)
  local items = {}
  state.at = state.at + 1
  state.depth = state.depth + 1
  if state.depth > MAX_DEPTH then
    stop(state, "is nested deeper than " .. MAX_DEPTH .. " levels")
  end
  skip_blanks(state)
  if is_at(state, close) then
    state.at = state.at + 1
  else
    repeat
      skip_blanks(state)
      items[#items + 1] = read_item(state)
      skip_blanks(state)
      local comma = is_at(state, ",")
      if comma then
        state.at = state.at + 1
      end
    until not comma
    take(state, close, 'needs "," or "' .. close .. '"')
  end
  state.depth = state.depth - 1
  return items
end

local function read_member(state)
  if not is_at(state, '"') then
    stop(state, state.at > #state.text and "ends too early" or "needs a quoted field name")
  end
  local key = read_text(state).text
  skip_blanks(state)
  take(state, ":", 'needs ":"')
  skip_blanks(state)
  return { key = key, node = read_value(state) }
end

local function read_word(state)
  local token = state.text:match("^[%w%+%-%.]+", state.at)
  if not token then
    stop(state, state.at > #state.text and "ends too early" or "has an unexpected character")
  end
  local number = texts.is_number(token) and token:match("^%-?(%d+)")
  local kind = (token == "true" or token == "false") and "bool"
    or token == "null" and "null"
    or number and tonumber(token) and (number == "0" or number:byte() ~= 48) and "number"
  if not kind then
    stop(state, "has an unknown word")
  end
  if kind == "number" and math.abs(tonumber(token)) == math.huge then
    state.unheld = state.unheld or { problem = "has a number that is too large", at = state.at }
  end
  state.at = state.at + #token
  return { kind = kind, text = token }
end

read_value = function(state)
  step()
  if is_at(state, "{") then
    return { kind = "object", members = read_list(state, "}", read_member) }
  elseif is_at(state, "[") then
    return { kind = "array", items = read_list(state, "]", read_value) }
  elseif is_at(state, '"') then
    return read_text(state)
  end
  return read_word(state)
end

local function read_all(state)
  skip_blanks(state)
  local top = read_value(state)
  skip_blanks(state)
  if state.at <= #state.text then
    stop(state, "goes on after its end")
  end
  return top
end

-- Parse JSON into nodes {kind=, ...} that keep order and raw text; nil, problem, position if malformed.
-- After a node, what nobody can hold even where nobody reads it: {problem=, at=} of the first number
-- that is too large, or text that is none.
local function parse(text)
  local state = { text = text, at = 1, depth = 0 }
  local parsed, node = pcall(read_all, state)
  if parsed then
    return node, nil, state.unheld
  end
  if node == budget.TOO_MUCH then
    error(budget.TOO_MUCH, 0)
  end
  return nil, node.problem or "cannot be read", node.at or state.at
end

return { parse = parse }
