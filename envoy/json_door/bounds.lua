-- What is refused before the transcoder looks at it: a call that is too large, or in another form.
local texts = require("json_door.texts")

local bounds = {}

local MAX_BODY = 524288 -- 512 KiB, as the till sent them: 500 lines at full width fit
-- No address of the contract is as long as this, however its texts are escaped.
local MAX_URL = 8192
-- Of commas and opening brackets; a test compares it with the contract. Each costs the transcoder
-- and the server some time, however little it holds.
local MAX_VALUES = 32000
local SEPARATORS = { ",", "{", "[" }

-- Whether a body holds more values than any request of the contract can; strings count too, for it
-- only looks for their separators.
local function has_too_many_values(body)
  if #body <= MAX_VALUES then
    return false
  end
  local count = 0
  for _, separator in ipairs(SEPARATORS) do
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

-- Whether a body comes in another form than its own.
function bounds.is_encoded(encoding)
  encoding = encoding:lower():gsub("%s", "")
  return encoding ~= "" and encoding ~= "identity"
end

-- The status that refuses a call by its headers, and what is wrong with what of it; nil where they may pass.
function bounds.refusal_of_head(method, url, length)
  if tonumber(length or 0) > MAX_BODY then
    return "413" -- Before the till has sent it all.
  elseif method == "OPTIONS" then
    return "404" -- Becomes 405 where the path takes another method.
  elseif #url > MAX_URL then
    return "400", ("address must have at most %d bytes"):format(MAX_URL)
  elseif url:find("%", 1, true) and texts.invalid_utf8(texts.unescape(url)) then
    return "400" -- The transcoder would pass it on, and no protobuf parser would read it.
  end
  return nil
end

-- The same of a whole body, before it is read.
function bounds.refusal_of_length(length, encoded)
  return (length > MAX_BODY or encoded) and (encoded and "415" or "413") or nil
end

-- The same of what is in it.
function bounds.refusal_of_body(body)
  if has_too_many_values(body) then
    return "400", ("body must have at most %d values"):format(MAX_VALUES)
  end
  return nil
end

return bounds
