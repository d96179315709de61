-- The gate before the buffer. It lets nobody in who brings no key, of the callers whose key has never
-- worked here only some a second while wrong keys come, and only so many whose call is not done.
-- It also drops headers with an underscore, and tells browsers whether they may call.
local clock = require("clock")
local calling = require("gate.calling")
local keys = require("gate.keys")
local memory = require("gate.memory")
local pages = require("gate.pages")

local CALL = calling.METADATA -- For the response side: who called.
local OPEN = { -- Paths that need no key.
  ["/grpc.health.v1.Health/Check"] = true,
}
local HEADERS = 16384 -- Bytes that a call may take besides its body.
local SMALL = 16384 -- Bytes of a body; an order of forty lines has less.
local UNTOLD = 65536 -- Bytes of a body whose length is not told; a stranger's counts as small.
local BUFFERED = 786432 -- Bytes of a body that are ever kept.
-- Ours with an underscore for a dash: whoever sends one believes that a key, or the time, came with
-- the call. They stay, and the server refuses the call by their name; all others are dropped.
local MISSPELT = { idempotency_key = true, x_api_key = true, x_user_datetime = true }
local ALL = "all"
local GRPC = "application/grpc" -- And what begins so.

local is_grpc, refuse = calling.is_grpc, calling.refuse
local CALLER, STRANGER, STREAMS = calling.CALLER, calling.STRANGER, calling.STREAMS

local known = memory.new() -- digests of keys that have worked
-- Calls of strangers that did not succeed, for whatever reason: of an address, and of all.
local wrong, all_wrong = memory.new_limit(200, 100), memory.new_limit(400, 200)
-- Bytes of a large body count for so long: its caller may announce it and send nothing.
local ANNOUNCED_S = 3
-- Calls under way: of an address that has no known key and of all strangers, of a known key. Those that
-- announce much have their own room, so that they never take that of a till's orders. From *fair* on an
-- address comes in only if it has none under way.
local small = {
  of_address = memory.new_holding(8388608),
  of_all = memory.new_holding(67108864),
  fair = 50331648,
  of_key = memory.new_holding(67108864),
}
local large = {
  of_address = memory.new_holding(16777216, ANNOUNCED_S),
  of_all = memory.new_holding(134217728, ANNOUNCED_S),
  fair = 100663296,
  of_key = memory.new_holding(67108864, ANNOUNCED_S),
}

-- An address, or of IPv6 the network that one customer has.
local function network(address)
  return address:match("^(%x+:%x*:%x*:%x*):") or address
end

local function drop_underscores(headers)
  local dropped
  for name in pairs(headers) do
    if name:find("_", 1, true) and not MISSPELT[name] then
      dropped = dropped or {}
      dropped[#dropped + 1] = name
    end
  end
  for _, name in ipairs(dropped or {}) do
    headers:remove(name)
  end
end

-- Where a call counts: *size* is small or large.
local function room_of(size)
  return size == "large" and large or small
end

-- Takes a call's bytes into account, or none for want of room.
local function hold(room, caller, address, bytes, now)
  if caller then
    if room.of_key.is_reached(caller, bytes, now) then
      return false
    end
    room.of_key.add(caller, bytes, now, now)
    return true
  end
  if room.of_address.is_reached(address, bytes, now) or room.of_all.is_reached(ALL, bytes, now) then
    return false
  elseif room.of_all.of(ALL, now) + bytes > room.fair and room.of_address.of(address, now) > 0 then
    return false
  end
  room.of_address.add(address, bytes, now, now)
  room.of_all.add(ALL, bytes, now, now)
  return true
end

local function release(room, caller, address, bytes, began, now)
  if caller then
    room.of_key.add(caller, -bytes, began, now)
  else
    room.of_address.add(address, -bytes, began, now)
    room.of_all.add(ALL, -bytes, began, now)
  end
end

-- Answers a browser's question whether its page may call; true where that was one.
local function answer_page(handle, headers, path, origins)
  local origin = headers:get("origin")
  local readable = origin and pages.readable_by(path, origin, origins)
  if not readable then
    return false
  elseif headers:get(":method") == "OPTIONS" and headers:get("access-control-request-method") then
    pages.answer_preflight(handle, readable)
    return true
  end
  handle:streamInfo():dynamicMetadata():set(CALL, "readable", readable)
  return false
end

-- Counts a call as under way, and names its caller to what follows; refuses it where there is no room.
local function admit(handle, headers, key)
  local address, now = network(headers:get("x-envoy-external-address") or ""), clock.second()
  local caller = key and keys.digest(key)
  local trusted = caller and known.get(caller) and caller
  if caller and not trusted and (wrong.is_reached(address, now) or all_wrong.is_reached(ALL, now)) then
    refuse(handle, "429", "strangers")
    return
  end
  local told = tonumber((headers:get("content-length") or ""):match("^%d+$"))
  if told and told > BUFFERED and (headers:get("content-type") or ""):sub(1, 16) == GRPC then
    refuse(handle, "413") -- The JSON door words it for tills.
    return
  end
  local size = told and told > SMALL and "large" or "small"
  local bytes = HEADERS + math.min(told or trusted and UNTOLD or SMALL, BUFFERED)
  if not hold(room_of(size), trusted, address, bytes, now) then
    refuse(handle, "429", "memory")
    return
  end
  local call = ("%s %s %s %d %d %s"):format(caller or "-", trusted or "-", size, bytes, now, address)
  handle:streamInfo():dynamicMetadata():set(CALL, "call", call)
  if caller then
    headers:add(CALLER, tostring(caller))
    if not trusted then
      headers:add(STRANGER, address)
      if not told then
        handle:clearRouteCache() -- To the route for bodies of unknown length.
      end
    end
  end
end

local function let_caller_in(handle, origins)
  local headers = handle:headers()
  headers:remove(CALLER)
  headers:remove(STRANGER)
  local path = headers:get(":path") or ""
  -- The path of a gRPC method begins with its service, which has a dot in its name.
  local content_type = headers:get("content-type") or ""
  if
    content_type:sub(1, 16) == "application/grpc"
    and (is_grpc(content_type) or content_type:sub(17, 20) == "-web")
    and not path:find("^/[%w_]+%.[%w_.]+/")
  then
    headers:replace("content-type", "application/json")
    handle:streamInfo():dynamicMetadata():set(CALL, "renamed", true)
  end
  if STREAMS[path] or answer_page(handle, headers, path, origins) then
    return
  end
  -- What succeeds with any key proves none.
  local open = OPEN[path]
  local key = not open and keys.of(headers)
  if not key and not open then
    -- Whom no page may read: the JSON door tells the methods that a path takes.
    if is_grpc(headers:get("content-type") or "") or headers:get(":method") ~= "OPTIONS" then
      refuse(handle, headers:get("x_api_key") and "400" or "401")
    end
    return
  end
  drop_underscores(headers)
  if key then
    keys.hand_on(headers, key)
  end
  admit(handle, headers, key)
end

-- Learns from an answer whether its caller's key works.
local function learn(headers, caller, address, now)
  local status, grpc_status = headers:get(":status"), headers:get("grpc-status")
  if status == "200" and (grpc_status or "0") == "0" then
    known.put(caller, true)
    return
  end
  if status == "401" or grpc_status == "16" then
    known.forget(caller)
  end
  -- Whatever a stranger hears but a success costs something and proves nothing.
  if not known.get(caller) then
    wrong.add(address, 1, now)
    all_wrong.add(ALL, 1, now)
  end
end

local function note_outcome(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALL)
  if kept and kept.readable then
    pages.let_read(handle:headers(), kept.readable)
  end
  if not kept or not kept.call then
    return
  end
  local caller, trusted, size, bytes, began, address =
    kept.call:match("^(%S+) (%S+) (%S+) (%d+) (%d+) (.*)$")
  local now = clock.second()
  caller = tonumber(caller)
  release(room_of(size), tonumber(trusted), address, tonumber(bytes), tonumber(began), now)
  if caller then
    learn(handle:headers(), caller, address, now)
  end
end

-- Envoy has noted before any filter that a call says it is gRPC, and words its own refusals so: 200,
-- and as grpc-message the JSON of local_reply_config. A JSON caller is shown that.
local function refuse_in_json(handle)
  local headers = handle:headers()
  local own = handle:streamInfo():dynamicMetadata():get(CALL)
  if not own or not own.renamed or headers:get("content-type") ~= "application/grpc" then
    return
  end
  local body = (headers:get("grpc-message") or ""):gsub("%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end)
  local status = body:match('^{"statusCode":(%d+)')
  if status then
    headers:replace(":status", status)
    headers:replace("content-type", "application/json")
    headers:replace("content-length", tostring(#body))
    headers:remove("grpc-status")
    headers:remove("grpc-message")
    headers:remove("grpc-status-details-bin")
    handle:body(true):setBytes(body)
  end
end

local callers = {}

-- Returns what is done with a call and with its answer; *origins* of pages that may call.
function callers.new(origins)
  return function(handle)
    let_caller_in(handle, origins)
  end, function(handle)
    refuse_in_json(handle)
    note_outcome(handle)
  end
end

return callers
