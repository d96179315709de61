-- A stand-in for what Envoy gives a Lua filter: headers, body, trailers, metadata and local replies. As
-- Envoy's, an object is out of scope once the script has waited for a body, and an answer to a call ends
-- the script.
local RESPONDED = {}

local plain_pairs = pairs
-- Envoy's headers can be looped over.
function pairs(value)
  local meta = getmetatable(value)
  if meta and meta.__pairs then
    return meta.__pairs()
  end
  return plain_pairs(value)
end

-- Headers are a list of {name, value}, in the order of the message.
local function headers_of(list)
  local headers = {}
  local function values(name)
    local found = {}
    for _, header in ipairs(list) do
      if header[1] == name then
        found[#found + 1] = header[2]
      end
    end
    return found
  end
  function headers.get(_, name)
    local found = values(name)
    return #found > 0 and table.concat(found, ",") or nil
  end
  function headers.getAtIndex(_, name, index)
    return values(name)[index + 1]
  end
  function headers.getNumValues(_, name)
    return #values(name)
  end
  function headers.add(_, name, value)
    list[#list + 1] = { name, value }
  end
  function headers.remove(_, name)
    for index = #list, 1, -1 do
      if list[index][1] == name then
        table.remove(list, index)
      end
    end
  end
  function headers.replace(_, name, value)
    for _, header in ipairs(list) do
      if header[1] == name then
        headers.remove(nil, name)
        break
      end
    end
    list[#list + 1] = { name, value }
  end
  function headers.all()
    local index = 0
    return function()
      index = index + 1
      if list[index] then
        return list[index][1], list[index][2]
      end
    end
  end
  return headers
end

local function buffer_of(message)
  local buffer = {}
  function buffer.length()
    return #(message.body or "")
  end
  function buffer.getBytes(_, from, length)
    assert(from >= 0 and from + length <= #(message.body or ""), "index/length must be >= 0 and within the buffer")
    return (message.body or ""):sub(from + 1, from + length)
  end
  function buffer.setBytes(_, bytes)
    message.body = bytes
    return #bytes
  end
  return buffer
end

local function metadata_of(call)
  local metadata = {}
  function metadata.set(_, filter, key, value)
    assert(type(value) == "string" or type(value) == "boolean" or type(value) == "number")
    call.metadata[filter] = call.metadata[filter] or {}
    -- Envoy keeps texts up to their first NUL.
    call.metadata[filter][key] = type(value) == "string" and value:match("^%Z*") or value
  end
  function metadata.get(_, filter)
    return call.metadata[filter]
  end
  return metadata
end

-- A handle for one side of a call; *message* is {headers=, body=, trailers=}.
local function handle_of(call, message)
  local waits, handle = 0, {}
  -- Gives an object until the script waits.
  local function until_wait(object)
    local made = waits
    return setmetatable({}, {
      __index = function(_, name)
        if made ~= waits then
          error("object used outside of proper scope", 2)
        end
        return object[name]
      end,
      __pairs = object.all,
    })
  end
  function handle.headers()
    return until_wait(headers_of(message.headers))
  end
  function handle.trailers()
    return message.trailers and until_wait(headers_of(message.trailers))
  end
  function handle.body(_, always_wrap)
    waits = waits + 1
    if not message.body and not always_wrap then
      return nil
    end
    return until_wait(buffer_of(message))
  end
  function handle.streamInfo()
    return {
      dynamicMetadata = function()
        return until_wait(metadata_of(call))
      end,
      -- A call that says by no header whether it has a body comes over HTTP/2.
      protocol = function()
        return "HTTP/2"
      end,
    }
  end
  function handle.respond(_, headers)
    call.reply = headers
    error(RESPONDED, 0)
  end
  function handle.clearRouteCache()
    call.rerouted = true
  end
  -- The value is only looked at as such.
  function handle.base64Escape(_, bytes)
    return "base64:" .. #bytes
  end
  return handle
end

local api = {}

function api.new_call()
  return { metadata = {} }
end

local function run(side, call, message)
  local done, problem = pcall(side, handle_of(call, message))
  if not done and problem ~= RESPONDED then
    error(problem, 0)
  end
end

function api.request(call, message)
  run(envoy_on_request, call, message)
end

function api.response(call, message)
  run(envoy_on_response, call, message)
end

return api
