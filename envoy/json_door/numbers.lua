-- Numbers as tills write them, which JSON may write otherwise.
local texts = require("json_door.texts")

local numbers = {
  -- What adding up doubles leaves behind is no part of a number: 1998.9999999999998 cents are 1999.
  NOISE = 1e-6,
  MAX_INTEGER = 2 ^ 31,
}

-- The number that a text says; nil where it says none, and whether it has a comma for its point, as
-- "8,49": with two digits after it that is no thousand.
function numbers.of(text)
  local whole, decimals = text:match("^(%-?%d+),(%d%d)$")
  if whole then
    return tonumber(whole .. "." .. decimals), true
  end
  return texts.is_number(text) and tonumber(text) or nil, false
end

-- A number as JSON writes it.
function numbers.written(number)
  return ("%.14g"):format(number)
end

-- Whether a number has a zero before its digits, which JSON refuses.
function numbers.is_filled_up(text)
  return text:find("^%-?0%d") ~= nil
end

-- The whole number next to one, and whether it is meant.
function numbers.whole_of(number)
  local whole = math.floor(number + 0.5)
  return whole, math.abs(number - whole) <= numbers.NOISE
end

return numbers
