-- The gate, which stands twice. Before the buffer ("callers") it lets nobody in who brings no key, of
-- the callers whose key has never worked here only some a second while wrong keys come, and only so
-- many whose call is not done. After the buffer ("calls"), where a call has come as a whole, it lets
-- over gRPC nothing through but one whole message, of large bodies only some a second, and of a key no
-- more at once than the server takes of it. See README.md.
--
-- The first also drops headers with an underscore, and tells browsers whether they may call.
--
-- What it remembers is a worker's own, each of the two its own, and lost when Envoy ends.

local STAGE, ORIGINS = ...
ORIGINS = ORIGINS or {} -- Of pages that may call.

local OPEN = { -- Paths that need no key.
  ["/grpc.health.v1.Health/Check"] = true,
}
local STREAMS = { -- Their routes bound them; they have no whole message to wait for.
  ["/grpc.health.v1.Health/Watch"] = true,
  ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = true,
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = true,
}
local PREFIX = 5 -- One byte that tells whether the message is compressed, four its length.
-- Dynamic metadata for the response side: who called, of a whole call too.
local CALL, WHOLE = "loyalty.gate", "loyalty.gate.whole"

-- Headers from the first gate to what follows; the server never sees them, and never a caller's own.
local CALLER, STRANGER = "loyalty-caller", "loyalty-stranger"
-- From the server: the call was refused because its key has too many under way. No caller sees it.
local BUSY = "loyalty-busy"

local KEY_MAX = 256 -- Bytes of a header with a key; ours have 35.
local HEADERS = 16384 -- Bytes that a call may take besides its body.
local UNTOLD = 65536 -- Bytes of a stranger's body whose length he does not tell; his route sees to it.
local CALL_S = 6 -- A call is whole, or refused, after 5 s; its end is not seen if its caller reset it.

-- Ours with an underscore for a dash: whoever sends one believes that a key, or the time, came with
-- the call. They stay, and the server refuses the call by their name; all others are dropped.
local MISSPELT = { idempotency_key = true, x_api_key = true, x_user_datetime = true }

-- What a page may send, and what it may read of an answer besides the body.
local PREFLIGHT = {
  ["access-control-allow-methods"] = "GET, POST, PUT",
  ["access-control-allow-headers"] = "authorization, content-type, grpc-timeout, idempotency-key, x-api-key, "
    .. "x-grpc-web, x-user-agent, x-user-datetime",
  ["access-control-max-age"] = "600",
}
local EXPOSED = "allow, grpc-message, grpc-status, grpc-status-details-bin, idempotent-replayed, retry-after, "
  .. "x-amz-apigw-id, x-amzn-requestid, x-amzn-trace-id, x-request-id"

-- Calls of a key at the server at once: so many until it refuses some of them, which leaves others room
-- among the places that Envoy has at least; from then on what it takes, which is more or less.
local PLACES, PLACES_MIN, PLACES_MAX = 64, 4, 256
local MORE_A_REFUSAL = 2
local LEARNED_S = 5 -- What was learned of a key holds for so long.

local REMEMBERED_MAX = 10000 -- keys, and addresses; the oldest go first
local LARGE = 65536 -- Bytes of a body; no order of an ordinary visit comes near.

local bit = require("bit")

-- A table that forgets: half of what it may hold, the newest, is always there.
local function new_memory()
  local new, old, count = {}, {}, 0
  local memory = {}
  function memory.put(name, value)
    if new[name] == nil then
      count = count + 1
      if count > REMEMBERED_MAX / 2 then
        new, old, count = {}, new, 1
      end
    end
    new[name] = value
  end
  function memory.get(name)
    local value = new[name]
    if value == nil and old[name] ~= nil then
      value = old[name]
      memory.put(name, value)
    end
    return value
  end
  function memory.forget(name)
    new[name], old[name] = nil, nil
  end
  return memory
end

-- Counts something for each name, and lets time make up for it.
local function new_limit(burst, a_second)
  local memory = new_memory()
  local limit = {}
  local function drained(name, now)
    local found = memory.get(name) or { count = 0, since = now }
    found.count = math.max(0, found.count - (now - found.since) * a_second)
    found.since = now
    return found
  end
  function limit.is_reached(name, now)
    return memory.get(name) and drained(name, now).count >= burst
  end
  function limit.add(name, amount, now)
    local found = drained(name, now)
    found.count = found.count + amount
    memory.put(name, found)
  end
  return limit
end

-- Calls that are not done, or their bytes, for each name. Who resets a call is believed CALL_S later.
local function new_holding(most)
  local memory = new_memory()
  local holding = {}
  function holding.of(name, now)
    local sum = 0
    for second, amount in pairs(memory.get(name) or {}) do
      if now - second < CALL_S then
        sum = sum + amount
      end
    end
    return sum
  end
  function holding.is_reached(name, bytes, now)
    return holding.of(name, now) + bytes > most
  end
  function holding.add(name, bytes, began, now)
    local found = memory.get(name) or {}
    for second in pairs(found) do
      if now - second >= CALL_S then
        found[second] = nil
      end
    end
    if now - began < CALL_S then
      found[began] = (found[began] or 0) + bytes
    end
    memory.put(name, found)
  end
  return holding
end

local known = new_memory() -- digests of keys that have worked
-- Calls of strangers that did not succeed, for whatever reason: of an address, and of all.
local wrong, all_wrong = new_limit(200, 100), new_limit(400, 200)
-- Calls under way: of an address that has no known key and of all strangers, of a known key.
local held, all_held = new_holding(25165824), new_holding(201326592)
local held_by_key = new_holding(134217728)
-- Bytes of large bodies: of a key that is known or an address that has none, and of all strangers.
-- To read one takes the worker up to 25 ms.
local large, all_large = new_limit(16777216, 4194304), new_limit(33554432, 8388608)
local ALL = "all"
-- Whole calls under way of a key, and how many it may have.
local at_server, learned = new_holding(), new_memory()

-- 32 bits of a key: enough to know it again, and of no use to anybody who finds them (FNV-1a).
local function digest(key)
  local hash = bit.tobit(2166136261)
  for position = 1, #key do
    hash = bit.bxor(hash, key:byte(position))
    hash = bit.tobit(
      hash + bit.lshift(hash, 1) + bit.lshift(hash, 4) + bit.lshift(hash, 7) + bit.lshift(hash, 8) + bit.lshift(hash, 24)
    )
  end
  return hash
end

-- An address, or of IPv6 the network that one customer has.
local function network(address)
  return address:match("^(%x+:%x*:%x*:%x*):") or address
end

local function is_grpc(content_type)
  return content_type == "application/grpc" or content_type:sub(1, 17) == "application/grpc+"
end

-- Whether a body is one message of gRPC, as long as it says.
local function is_one_message(buffer)
  local length = buffer and buffer:length() or 0
  if length < PREFIX then
    return false
  end
  local _, a, b, c, d = buffer:getBytes(0, PREFIX):byte(1, PREFIX)
  return ((a * 256 + b) * 256 + c) * 256 + d == length - PREFIX
end

-- The key that a call brings, bare, as the server reads it: the last header of a name counts, and what
-- is blank is none. Whatever else it is spelt like, it is one key to all that counts keys.
local function last_of(headers, name)
  local count = headers:getNumValues(name)
  local value = count > 0 and headers:getAtIndex(name, count - 1) or ""
  return value:find("[^ \t]") and value
end

local function key_of(headers)
  local value = last_of(headers, "x-api-key")
  local start = "^"
  if not value then
    value = last_of(headers, "authorization")
    start = "^[Bb][Ee][Aa][Rr][Ee][Rr] " -- As OAuth's clients send it; any other is no key.
  end
  if not value or #value > KEY_MAX then
    return nil
  end
  return value:match(start .. "[ \t]*([^ \t].-)[ \t]*$")
end

-- Hands a key on as it was understood, so that nobody after us understands another.
local function hand_on(headers, key)
  headers:remove("authorization")
  headers:remove("x-api-key")
  headers:add("x-api-key", key)
end

local function refuse(handle, status)
  handle:respond({ [":status"] = status }, "")
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

-- What a page of this origin is told of who may read the answer; nil where it may not. Under
-- /client/ that is the contract's own word, else the origin itself, if it is on the list.
local function readable_by(path, origin)
  if path:sub(1, 8) == "/client/" then
    return "*"
  end
  for _, allowed in ipairs(ORIGINS) do
    local host = allowed:match("^(.*):%*$") -- With any port, or none.
    if allowed == origin or host and (host == origin or host == origin:match("^(.*):%d+$")) then
      return origin
    end
  end
  return nil
end

local function answer_preflight(handle, readable)
  local answer = { [":status"] = "204", ["access-control-allow-origin"] = readable, vary = "origin" }
  for name, value in pairs(PREFLIGHT) do
    answer[name] = value
  end
  handle:respond(answer, "")
end

-- Takes a call's bytes into account, or none for want of room.
local function hold(caller, address, bytes, now)
  if caller then
    if held_by_key.is_reached(caller, bytes, now) then
      return false
    end
    held_by_key.add(caller, bytes, now, now)
  else
    if held.is_reached(address, bytes, now) or all_held.is_reached(ALL, bytes, now) then
      return false
    end
    held.add(address, bytes, now, now)
    all_held.add(ALL, bytes, now, now)
  end
  return true
end

local function release(caller, address, bytes, began, now)
  if caller then
    held_by_key.add(caller, -bytes, began, now)
  else
    held.add(address, -bytes, began, now)
    all_held.add(ALL, -bytes, began, now)
  end
end

local function let_caller_in(handle)
  local headers = handle:headers()
  headers:remove(CALLER)
  headers:remove(STRANGER)
  local path = headers:get(":path") or ""
  -- The path of a gRPC method begins with its service, which has a dot in its name.
  if is_grpc(headers:get("content-type") or "") and not path:find("^/[%w_]+%.[%w_.]+/") then
    headers:replace("content-type", "application/json")
    handle:streamInfo():dynamicMetadata():set(CALL, "renamed", true)
  end
  if STREAMS[path] then
    return
  end
  local origin = headers:get("origin")
  local readable = origin and readable_by(path, origin)
  if readable then
    if headers:get(":method") == "OPTIONS" and headers:get("access-control-request-method") then
      answer_preflight(handle, readable)
      return
    end
    handle:streamInfo():dynamicMetadata():set(CALL, "readable", readable)
  end
  -- What succeeds with any key proves none.
  local key = not OPEN[path] and key_of(headers)
  if not key and not OPEN[path] then
    -- Whom no page may read: the JSON door tells the methods that a path takes.
    if is_grpc(headers:get("content-type") or "") or headers:get(":method") ~= "OPTIONS" then
      refuse(handle, headers:get("x_api_key") and "400" or "401")
    end
    return
  end
  drop_underscores(headers)
  if key then
    hand_on(headers, key)
  end
  local address, now = network(headers:get("x-envoy-external-address") or ""), os.time()
  local caller = key and digest(key)
  local trusted = caller and known.get(caller) and caller
  if caller and not trusted and (wrong.is_reached(address, now) or all_wrong.is_reached(ALL, now)) then
    refuse(handle, "429")
    return
  end
  local told = tonumber(headers:get("content-length") or "")
  local bytes = HEADERS + (told or UNTOLD)
  if not hold(trusted, address, bytes, now) then
    refuse(handle, "429")
    return
  end
  local call = ("%s %s %d %d %s"):format(caller or "-", trusted or "-", bytes, now, address)
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

local function note_outcome(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALL)
  if kept and kept.readable then
    local headers = handle:headers()
    headers:replace("access-control-allow-origin", kept.readable)
    headers:replace("access-control-expose-headers", EXPOSED)
    headers:replace("vary", "origin")
  end
  if not kept or not kept.call then
    return
  end
  local caller, trusted, bytes, began, address =
    kept.call:match("^(%S+) (%S+) (%d+) (%d+) (.*)$")
  local now = os.time()
  caller = tonumber(caller)
  release(tonumber(trusted), address, tonumber(bytes), tonumber(began), now)
  if not caller then
    return
  end
  local headers = handle:headers()
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

-- How many calls of a key may be under way.
local function places_of(caller, now)
  local found = learned.get(caller)
  return found and now - found.since < LEARNED_S and found.places or PLACES
end

-- Learns from an answer how many calls of a key the server takes: more for each that it served while
-- the key needed its places, and fewer for each that it refused, so that it refuses one for each
-- MORE_A_REFUSAL that it serves. Were it none, it would wait for calls that wait here.
local function learn(caller, refused, served, now)
  local places = places_of(caller, now)
  if refused then
    places = math.max(places - MORE_A_REFUSAL / places, PLACES_MIN)
  elseif served and at_server.of(caller, now) * 2 >= places then
    places = math.min(places + 1 / places, PLACES_MAX)
  else
    return
  end
  learned.put(caller, { places = places, since = now })
end

local function let_call_through(handle)
  local headers = handle:headers()
  if STREAMS[headers:get(":path") or ""] then
    return
  end
  local caller, now = headers:get(CALLER), os.time()
  if caller and at_server.of(caller, now) >= places_of(caller, now) then
    refuse(handle, "429")
    return
  end
  -- The buffer before us has counted a body whose length was not announced.
  local bytes = tonumber(headers:get("content-length") or 0) or 0
  if bytes > LARGE then
    local stranger = headers:get(STRANGER)
    local name = stranger or caller or ""
    if large.is_reached(name, now) or stranger and all_large.is_reached(ALL, now) then
      refuse(handle, "429")
      return
    end
    large.add(name, bytes, now)
    if stranger then
      all_large.add(ALL, bytes, now)
    end
  end
  if is_grpc(headers:get("content-type") or "") and not is_one_message(handle:body()) then
    refuse(handle, "400")
    return
  end
  if caller then
    at_server.add(caller, 1, now, now)
    handle:streamInfo():dynamicMetadata():set(WHOLE, "call", ("%s %d"):format(caller, now))
  end
end

local function note_end(handle)
  local headers, now = handle:headers(), os.time()
  local refused = headers:get(BUSY)
  headers:remove(BUSY)
  local kept = handle:streamInfo():dynamicMetadata():get(WHOLE)
  if kept then
    local caller, began = kept.call:match("^(%S+) (%d+)$")
    at_server.add(caller, -1, tonumber(began), now)
    learn(caller, refused, headers:get(":status") == "200", now)
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

if STAGE == "callers" then
  envoy_on_request = let_caller_in
  envoy_on_response = function(handle)
    refuse_in_json(handle)
    note_outcome(handle)
  end
else
  envoy_on_request, envoy_on_response = let_call_through, note_end
end
