-- Texts as bytes: escapes, UTF-8, and what looks like a number.
local texts = {}

function texts.unescape(text)
  return (text:gsub("%%(%x%x)", function(code)
    return string.char(tonumber(code, 16))
  end))
end

function texts.escape(text)
  return (text:gsub('[%z\1-\31\\"]', function(character)
    return ("\\u%04x"):format(character:byte())
  end))
end

-- How many bytes the character of UTF-8 has that begins here; nil where there is none.
function texts.character_size(text, at)
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
function texts.invalid_utf8(text, each)
  local at = 1
  while true do
    at = text:find("[\128-\255]", at)
    if not at then
      return nil
    end
    if each then
      each()
    end
    local size = texts.character_size(text, at)
    if not size then
      return at
    end
    at = at + size
  end
end

-- Tell what looks like a number, part by part: in one pattern, digits beside digits would be shared
-- out in every possible way before it fails, which takes hours where they are many.
function texts.is_number(token)
  local _, whole = token:find("^%-?%d+")
  if not whole then
    return false
  end
  local _, decimals = token:find("^%.?%d*", whole + 1)
  return token:find("^[eE]?[%+%-]?%d*$", decimals + 1) ~= nil
end

-- A text without the spaces at its ends, found from either end: between two repeats that both take
-- spaces, a pattern would share them out in every possible way.
function texts.trimmed(text)
  local first = text:find("[^ ]")
  return first and text:match("^.*[^ ]", first) or ""
end

-- A body without the mark that some systems put before UTF-8.
function texts.without_mark(body)
  return body:byte() == 239 and body:sub(1, 3) == "\239\187\191" and body:sub(4) or body
end

return texts
