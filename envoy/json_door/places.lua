-- Finds which message of a request a key of its body belongs to.
local requests = require("json_requests")
local scanner = require("json_door.scanner")

local places = {}

-- A function that gives the field of the key that begins at a position; nil where the contract has
-- none there. Its positions must rise. Each place looked at takes one of count.left, as in the scanner.
function places.follow(body, request, count)
  local inside, listed, depth, at, key = {}, {}, 0, 1, nil

  local function open(list)
    local message
    if depth == 0 then
      message = not list and request
    elseif listed[depth] then
      message = not list and inside[depth]
    else
      local field = inside[depth] and key and requests.messages[inside[depth]][key]
      message = field and (field.repeated or false) == list and field.message
    end
    depth = depth + 1
    inside[depth], listed[depth] = message or false, list
  end

  return function(position)
    while true do
      local found = body:find('["%[%]{}]', at)
      count.left = count.left - 1
      if not found or count.left < 0 then
        return nil
      elseif found >= position then
        break
      end
      local byte, last = body:byte(found), found
      if byte == 34 then
        last = scanner.text_end(body, found + 1, count)
        if not last then
          return nil
        end
        key = body:find("^[ \t\r\n]*:", last + 1) and body:sub(found + 1, last - 1) or nil
      elseif byte == 123 or byte == 91 then
        open(byte == 91)
      else
        depth = math.max(depth - 1, 0)
      end
      at = last + 1
    end
    local message = depth > 0 and not listed[depth] and inside[depth]
    local name = body:match('^"([%w_]+)"', position)
    return message and name and requests.messages[message][name] or nil
  end
end

return places
