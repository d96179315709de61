-- Which object of a body a name stands in, and the body with some of its values written otherwise.
local scanner = require("json_door.scanner")

local objects = {}

local MAX_DEPTH = 100 -- The transcoder's own limit.
local NOWHERE = math.huge

-- The last byte of a text that begins at a position; nil for none.
local function text_end(body, at)
  local found = body:find('["\\]', at + 1)
  if found and body:byte(found) == 92 then
    return scanner.text_end(body, found, { left = #body })
  end
  return found
end

-- Follows the objects of a body, so that a name is known that comes twice in one of them. *bracket* is
-- the next bracket of an object that was not looked at; only once a position is behind it, *at* tells
-- which object is open there. Brackets in the *text* before it, by its first byte, open and close
-- nothing. *close* is called with the names noted of an object and its last byte. A text in a list, or
-- under a name that is no word, may lead it astray, if it has a bracket: from where that shows nothing
-- is told.
function objects.follow(body, close)
  local open, depth = {}, 0
  local follower = { bracket = body:find("[{}]") or NOWHERE }

  -- The names of the object that is open at a position, to note more in; nil where that is not known.
  function follower.at(position, text)
    local bracket = follower.bracket
    if text and bracket > text then
      local last = text_end(body, text) or #body
      if bracket < last then
        bracket = body:find("[{}]", last + 1) or NOWHERE
      end
    end
    while bracket < position do
      if body:byte(bracket) == 123 then
        depth = depth + 1
        open[depth] = false
      else
        if depth > 0 then
          close(open[depth], bracket)
        end
        depth = depth - 1
      end
      if depth < 0 or depth > MAX_DEPTH then
        follower.bracket = NOWHERE
        return nil
      end
      bracket = body:find("[{}]", bracket + 1) or NOWHERE
    end
    follower.bracket = bracket
    if depth == 0 then
      return nil
    end
    open[depth] = open[depth] or {}
    return open[depth]
  end

  return follower
end

-- A body with other values in the place of some: {last, instead} by the first byte of each.
function objects.spliced(body, edits)
  local firsts = {}
  for first in pairs(edits) do
    firsts[#firsts + 1] = first
  end
  if #firsts == 0 then
    return body
  end
  table.sort(firsts)
  local pieces, copied = {}, 1
  for _, first in ipairs(firsts) do
    local edit = edits[first]
    if first >= copied then -- Else it stands within what is written otherwise as a whole.
      pieces[#pieces + 1] = body:sub(copied, first - 1) .. edit.instead
      copied = edit.last + 1
    end
  end
  pieces[#pieces + 1] = body:sub(copied)
  return table.concat(pieces)
end

return objects
