-- The gate: stands where a call has come as a whole, before anything is counted or parsed. It lets
-- nobody in who brings no key, over gRPC nothing but one whole message, and of the callers whose key
-- has never worked here only some a second while wrong keys come. See README.md.
--
-- What it remembers is a worker's own, and lost when Envoy ends.

local OPEN = { -- Paths that need no key.
  ["/grpc.health.v1.Health/Check"] = true,
}
local STREAMS = { -- Their routes bound them; they have no whole message to wait for.
  ["/grpc.health.v1.Health/Watch"] = true,
  ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = true,
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = true,
}
local PREFIX = 5 -- One byte that tells whether the message is compressed, four its length.
local CALLER = "loyalty.gate" -- dynamic metadata: who called, for the response side

local REMEMBERED_MAX = 10000 -- keys, and addresses; the oldest go first
local LARGE = 65536 -- Bytes of a body; no order of an ordinary visit comes near.

local bit = require("bit")

-- A table that forgets: half of what it may hold, the newest, is always there.
local function new_memory()
  local new, old, count = {}, {}, 0
  local memory = {}
  function memory.get(name)
    return new[name] or old[name]
  end
  function memory.put(name, value)
    if new[name] == nil then
      count = count + 1
      if count > REMEMBERED_MAX / 2 then
        new, old, count = {}, new, 1
      end
    end
    new[name] = value
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

local known = new_memory() -- digests of keys that have worked
-- Calls of strangers that were refused for their key or their form: of an address, and of all.
local wrong, all_wrong = new_limit(200, 100), new_limit(400, 200)
-- Bytes of large bodies: of a key that is known or an address that has none, and of all strangers.
-- To read one takes the worker up to 25 ms.
local large, all_large = new_limit(16777216, 4194304), new_limit(33554432, 8388608)
local ALL = "all"

local function must_wait(caller, address, bytes, now)
  if bytes > LARGE and large.is_reached(known.get(caller) and caller or address, now) then
    return true
  end
  return not known.get(caller)
    and (
      wrong.is_reached(address, now)
      or all_wrong.is_reached(ALL, now)
      or bytes > LARGE and all_large.is_reached(ALL, now)
    )
end

local function count_large(caller, address, bytes, now)
  large.add(known.get(caller) and caller or address, bytes, now)
  if not known.get(caller) then
    all_large.add(ALL, bytes, now)
  end
end

-- 32 bits of a key: enough to know it again, and of no use to anybody who finds them (FNV-1a).
local function digest(key)
  local hash = bit.tobit(2166136261)
  for position = 1, math.min(#key, 256) do
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

-- A header that is there and not blank.
local function given(headers, name)
  local value = headers:get(name)
  return value and value:find("%S") and value
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path") or ""
  if STREAMS[path] then
    return
  end
  local grpc = is_grpc(headers:get("content-type") or "")
  local key = given(headers, "x-api-key") or given(headers, "authorization")
  if key then
    local caller, address = digest(key), network(headers:get("x-envoy-external-address") or "")
    -- The buffer before us has counted a body whose length was not announced.
    local bytes, now = tonumber(headers:get("content-length") or 0) or 0, os.time()
    if must_wait(caller, address, bytes, now) then
      handle:respond({ [":status"] = "429" }, "")
      return
    end
    if bytes > LARGE then
      count_large(caller, address, bytes, now)
    end
    if not OPEN[path] then -- What succeeds with any key proves none.
      handle:streamInfo():dynamicMetadata():set(CALLER, "call", caller .. " " .. address)
    end
  -- A browser asks without a key whether it may call; the JSON door says no.
  elseif not OPEN[path] and (grpc or headers:get(":method") ~= "OPTIONS") then
    handle:respond({ [":status"] = "401" }, "")
    return
  end
  if grpc and not is_one_message(handle:body()) then
    handle:respond({ [":status"] = "400" }, "")
  end
end

function envoy_on_response(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALLER)
  if not kept then
    return
  end
  local caller, address = kept.call:match("^(%S+) (.*)$")
  caller = tonumber(caller)
  local headers = handle:headers()
  local status, grpc_status = headers:get(":status"), headers:get("grpc-status")
  local unknown = status == "401" or grpc_status == "16"
  if unknown then
    known.forget(caller)
  end
  if status == "200" and (grpc_status or "0") == "0" then
    known.put(caller, true)
  elseif (unknown or status == "400" or grpc_status == "3") and not known.get(caller) then
    wrong.add(address, 1, os.time())
    all_wrong.add(ALL, 1, os.time())
  end
end
