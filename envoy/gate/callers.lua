-- The gate before the buffer. It lets nobody in who brings no key, of the callers whose key has never
-- worked here only some a second while wrong keys come, and only so many whose call is not done.
-- It also drops headers that are ours, those that gRPC has no name for, and of JSON calls gRPC's own, and
-- tells browsers whether they may call. It clears the route itself, where a route depends on what it
-- changes.
local clock = require("clock")
local basic = require("gate.basic")
local calling = require("gate.calling")
local keys = require("gate.keys")
local memory = require("gate.memory")
local networks = require("gate.networks")
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
local MISSPELT = { idempotency_key = true, x_api_key = true, x_user_datetime = true, x_identifier_type = true }
local ALL = "all"
local GRPC_WEB = "application/grpc-web" -- And what begins so.
-- Names that are neither dropped nor ours. Of those to read, the values of one name are one text, and of
-- a key's the last counts.
local USUAL, READ, KEY = 1, 2, 3
local KINDS = {
  [":authority"] = USUAL,
  [":method"] = READ,
  [":path"] = READ,
  [":scheme"] = USUAL,
  accept = USUAL,
  ["accept-encoding"] = USUAL,
  authorization = KEY,
  connection = USUAL,
  ["content-length"] = READ,
  ["content-type"] = READ,
  ["idempotency-key"] = USUAL,
  origin = READ,
  te = USUAL,
  ["transfer-encoding"] = READ,
  ["user-agent"] = USUAL,
  ["x-api-key"] = KEY,
  ["x-envoy-external-address"] = READ,
  ["x-forwarded-for"] = USUAL,
  ["x-forwarded-proto"] = USUAL,
  ["x-identifier-type"] = USUAL,
  ["x-request-id"] = USUAL,
  ["x-user-datetime"] = USUAL,
}

local is_grpc, refuse = calling.is_grpc, calling.refuse
local CALLER, STRANGER, STREAMS = calling.CALLER, calling.STRANGER, calling.STREAMS
KINDS[CALLER], KINDS[STRANGER] = READ, READ

local known = memory.new() -- digests of keys that have worked
-- Calls of strangers that did not succeed, for whatever reason: of an address, and of all.
local wrong, all_wrong = memory.new_limit(200, 100), memory.new_limit(400, 200)
-- Bytes of a large body count for so long: its caller may announce it and send nothing.
local ANNOUNCED_S = 3
-- Calls under way, of a known key, and small ones of an address that has none and of all strangers. Those
-- that announce much have their own room, so that they never take that of a till's orders. From *fair* on
-- an address comes in only if it has none under way.
-- Of strangers also the bytes of bodies: each may come in a frame of its own, which takes the worker half
-- a microsecond. They get back what did not come, and all of it where their call succeeds.
local small = {
  bytes = memory.new_share(2097152, 262144, 4194304), -- 32 first calls over gRPC at once.
  of_address = memory.new_holding(8388608),
  of_all = memory.new_holding(67108864),
  fair = 50331648,
  of_key = memory.new_holding(67108864),
}
local large = {
  bytes = memory.new_share(4194304, 262144, 8388608),
  of_key = memory.new_holding(67108864, ANNOUNCED_S),
}

-- What is to know of a call's headers, in one pass, for each look into them costs: the values by name,
-- how many *keys* there are, and the names of those that are *dropped* or *grpcs* own. gRPC has names of
-- small letters, digits, "-", "_" and "." only, and its libraries refuse a call with any other; HTTP has more.
local function read_head(headers)
  local head = { keys = 0, dropped = {}, grpcs = {} }
  for name, value in pairs(headers) do
    local kind = KINDS[name]
    if kind == READ then
      local before = head[name]
      head[name] = before and before .. "," .. value or value
    elseif kind == KEY then
      head.keys = head.keys + 1
      head[name] = value
    elseif not kind then
      if name:find("[^0-9a-z.%-]") then
        if not MISSPELT[name] then
          table.insert(head.dropped, name)
        end
      elseif name:find("^loyalty%-") then
        table.insert(head.dropped, name)
      elseif name:find("^grpc%-") or name:find("%-bin$") then
        table.insert(head.grpcs, name)
      end
    end
  end
  return head
end

local function remove_all(headers, names)
  for _, name in ipairs(names) do
    headers:remove(name)
  end
end

-- Where a call counts: *size* is small, large, untold, or open, of what needs no key and is kept small.
local function room_of(size)
  return size == "large" and large or small
end

-- What a stranger's call is charged of *bytes*, which are all that it may take.
local function charge_of(size, bytes)
  return size == "untold" and UNTOLD or size ~= "open" and bytes - HEADERS or 0
end

-- Takes a call's bytes into account, or none for want of room.
local function hold(size, caller, address, bytes, now)
  local room = room_of(size)
  if caller then
    if room.of_key.is_reached(caller, bytes, now) then
      return false
    end
    room.of_key.add(caller, bytes, now, now)
    return true
  end
  local charge = charge_of(size, bytes)
  if charge > 0 and room.bytes.is_used_up(address, now) then
    return false
  elseif room.of_all then
    if room.of_address.is_reached(address, bytes, now) or room.of_all.is_reached(ALL, bytes, now) then
      return false
    elseif room.of_all.of(ALL, now) + bytes > room.fair and room.of_address.of(address, now) > 0 then
      return false
    end
    room.of_address.add(address, bytes, now, now)
    room.of_all.add(ALL, bytes, now, now)
  end
  room.bytes.add(address, charge, now)
  return true
end

local function release(room, caller, address, bytes, began, now)
  if caller then
    room.of_key.add(caller, -bytes, began, now)
  elseif room.of_all then
    room.of_address.add(address, -bytes, began, now)
    room.of_all.add(ALL, -bytes, began, now)
  end
end

-- Answers a browser's question whether its page may call; true where that was one.
local function answer_page(handle, headers, head, path, origins)
  local origin = head.origin
  local readable = origin and pages.readable_by(path, origin, origins)
  if not readable then
    return false
  elseif head[":method"] == "OPTIONS" and headers:get("access-control-request-method") then
    pages.answer_preflight(handle, readable)
    return true
  end
  handle:streamInfo():dynamicMetadata():set(CALL, "readable", readable)
  return false
end

-- Whether a call has no body because it announces none; over HTTP/2 one may come all the same.
local function has_no_body(handle, head)
  return not head["transfer-encoding"] and (handle:streamInfo():protocol() or ""):find("^HTTP/1") ~= nil
end

-- Counts a call as under way, and names its caller to what follows; refuses it where there is no room.
local function admit(handle, headers, head, key, over_grpc)
  local address, now = networks.of(head["x-envoy-external-address"] or ""), clock.second()
  local caller = key and keys.digest(key)
  local trusted = caller and known.get(caller) and caller
  if caller and not trusted and (wrong.is_reached(address, now) or all_wrong.is_reached(ALL, now)) then
    refuse(handle, "429", "strangers")
    return
  end
  local told = tonumber((head["content-length"] or ""):match("^%d+$"))
  if not told and not trusted and has_no_body(handle, head) then
    told = 0
  end
  if told and told > BUFFERED and over_grpc then
    refuse(handle, "413") -- The JSON door words it for tills.
    return
  end
  local size = not caller and "open" or not told and "untold" or told > SMALL and "large" or "small"
  local bytes = HEADERS + math.min(told or trusted and UNTOLD or SMALL, caller and BUFFERED or SMALL)
  if not hold(size, trusted, address, bytes, now) then
    refuse(handle, "429", "memory")
    return
  end
  local call = ("%s %s %s %d %d %s"):format(caller or "-", trusted or "-", size, bytes, now, address)
  handle:streamInfo():dynamicMetadata():set(CALL, "call", call)
  if caller then
    headers:add(CALLER, caller)
    if not trusted then
      headers:add(STRANGER, address)
      if not told then
        handle:clearRouteCache() -- To the route for bodies of unknown length.
      end
    end
  end
end

-- Removes what a caller says in our name. No route but that for strangers looks at it.
local function remove_forged(handle, headers, head)
  if head[CALLER] then
    headers:remove(CALLER)
  end
  if head[STRANGER] then
    headers:remove(STRANGER)
    handle:clearRouteCache()
  end
end

local function let_caller_in(handle, origins)
  local headers = handle:headers()
  local head = read_head(headers)
  remove_forged(handle, headers, head)
  local path = head[":path"] or ""
  local content_type = head["content-type"] or ""
  local over_grpc = is_grpc(content_type)
  -- The path of a gRPC method begins with its service, which has a dot in its name.
  if
    (over_grpc or content_type:sub(1, #GRPC_WEB) == GRPC_WEB)
    and not path:find("^/[%w_]+%.[%w_.]+/")
  then
    over_grpc = false
    headers:replace("content-type", "application/json")
    handle:clearRouteCache()
    handle:streamInfo():dynamicMetadata():set(CALL, "renamed", true)
  end
  remove_all(headers, head.dropped)
  if not over_grpc then
    remove_all(headers, head.grpcs) -- A JSON call has none, so they are the caller's invention.
  end
  if STREAMS[path] or answer_page(handle, headers, head, path, origins) then
    return
  end
  -- What succeeds with any key proves none.
  local open = OPEN[path]
  local key = not open and keys.of(head["x-api-key"], head.authorization)
  local for_token = not over_grpc and basic.takes_it(path)
  if for_token and not key then
    local client, secret = basic.credentials(head.authorization)
    if client then
      key = secret
      headers:add(basic.CLIENT, client)
    else
      open = not head.authorization -- The key may be in the body, which the JSON door reads.
    end
  end
  local question = head[":method"] == "OPTIONS"
  -- Whom no page may read: the JSON door tells the methods that a path takes.
  if not key and not open and (over_grpc or not question) then
    refuse(handle, headers:get("x_api_key") and "400" or "401")
    return
  elseif over_grpc and question then
    refuse(handle, "404") -- gRPC asks nothing so, and its body would be waited for.
    return
  end
  if key and not (head.keys == 1 and head["x-api-key"] == key) then
    keys.hand_on(headers, key)
  end
  admit(handle, headers, head, key, over_grpc)
end

-- Learns from an answer whether its caller's key works; returns whether it succeeded.
local function learn(headers, caller, address, now)
  local status, grpc_status = headers:get(":status"), headers:get("grpc-status")
  if status == "200" and (grpc_status or "0") == "0" then
    known.put(caller, true)
    return true
  end
  if status == "401" or grpc_status == "16" then
    known.forget(caller)
  end
  -- Whatever a stranger hears but a success costs something and proves nothing.
  if not known.get(caller) then
    wrong.add(address, 1, now)
    all_wrong.add(ALL, 1, now)
  end
  return false
end

-- Counts a call as done, and learns from its answer.
local function note_outcome(handle, headers, call)
  local caller, trusted, size, bytes, began, address =
    call:match("^(%S+) (%S+) (%S+) (%d+) (%d+) (.*)$")
  local now = clock.second()
  bytes = tonumber(bytes)
  release(room_of(size), trusted ~= "-" and trusted, address, bytes, tonumber(began), now)
  local succeeded = caller ~= "-" and learn(headers, caller, address, now)
  local charged = trusted == "-" and charge_of(size, bytes) or 0
  if charged > 0 then
    local came = succeeded and 0 or calling.bytes_of(handle) or charged
    room_of(size).bytes.add(address, came - charged, now)
  end
end

-- Envoy has noted before any filter that a call says it is gRPC, and words its own refusals so: 200,
-- and as grpc-message the JSON of local_reply_config. A JSON caller is shown that.
local function refuse_in_json(handle)
  local headers = handle:headers()
  if headers:get("content-type") ~= "application/grpc" then
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

local function let_answer_out(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALL)
  if not kept then
    return
  elseif kept.renamed then
    refuse_in_json(handle)
  end
  local headers = handle:headers()
  if kept.readable then
    pages.let_read(headers, kept.readable)
  end
  if kept.call then
    note_outcome(handle, headers, kept.call)
  end
end

local callers = {}

-- Returns what is done with a call and with its answer; *origins* of pages that may call.
function callers.new(origins)
  return function(handle)
    let_caller_in(handle, origins)
  end, let_answer_out
end

return callers
