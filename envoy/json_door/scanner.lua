-- Finds where values of a body begin and end, without reading them. Each place that is looked at takes
-- one of count.left: there may be no end, or it may be far.
local scanner = {}

-- Where a text ends that begins before this position; nil for none.
function scanner.text_end(body, at, count)
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

-- Where a value ends that begins at this position; nil for none.
function scanner.value_end(body, at, count)
  local first = body:byte(at)
  if first == 34 then
    return scanner.text_end(body, at + 1, count)
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
      at = scanner.text_end(body, at + 1, count)
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

-- The members of a body's top level, as {key, first, last} of their values, and whether the body ends
-- with them; of what is no object there are none.
function scanner.top_members(body, count)
  local members = {}
  local at = body:match("^[ \t\r\n]*{()")
  while at do
    local from = body:match('^[ \t\r\n]*"()', at)
    if not from then
      return members, body:find("^[ \t\r\n]*}[ \t\r\n]*$", at) ~= nil
    end
    local to = scanner.text_end(body, from, count)
    local value = to and body:match("^[ \t\r\n]*:[ \t\r\n]*()", to + 1)
    local last = value and scanner.value_end(body, value, count)
    if not last then
      break
    end
    members[#members + 1] = { key = body:sub(from, to - 1), first = value, last = last }
    at = body:match("^[ \t\r\n]*,()", last + 1) or last + 1
  end
  return members, false
end

return scanner
