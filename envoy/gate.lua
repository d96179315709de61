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

-- Calls refused for their key or their form, before strangers have to wait: of one address, and of
-- all. Each may have so many at once, and so many more a second.
local OF_ADDRESS = { burst = 200, a_second = 100 }
local OF_ALL = { burst = 400, a_second = 200 }
local REMEMBERED_MAX = 10000 -- keys, and addresses; the oldest go first

local bit = require("bit")

-- A table that forgets: half of what it holds at least, the newest, is always there.
local function new_memory()
  local memory = { new = {}, old = {}, count = 0 }
  function memory.get(name)
    return memory.new[name] or memory.old[name]
  end
  function memory.put(name, value)
    if memory.new[name] == nil then
      memory.count = memory.count + 1
      if memory.count > REMEMBERED_MAX then
        memory.new, memory.old, memory.count = {}, memory.new, 1
      end
    end
    memory.new[name] = value
  end
  function memory.forget(name)
    memory.new[name], memory.old[name] = nil, nil
  end
  return memory
end

local known = new_memory() -- digests of keys that have worked
local wrong = new_memory() -- for each address, what it has been refused of late
local all_wrong = { count = 0, since = 0 }

-- How much is left of what was refused, after what time has made up for.
local function drain(found, rate, now)
  found.count = math.max(0, found.count - (now - found.since) * rate.a_second)
  found.since = now
  return found.count
end

local function must_wait(address, now)
  if drain(all_wrong, OF_ALL, now) >= OF_ALL.burst then
    return true
  end
  local found = wrong.get(address)
  return found and drain(found, OF_ADDRESS, now) >= OF_ADDRESS.burst
end

local function count_wrong(address, now)
  local found = wrong.get(address) or { count = 0, since = now }
  drain(found, OF_ADDRESS, now)
  found.count = found.count + 1
  wrong.put(address, found)
  drain(all_wrong, OF_ALL, now)
  all_wrong.count = all_wrong.count + 1
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
    if not known.get(caller) and must_wait(address, os.time()) then
      handle:respond({ [":status"] = "429" }, "")
      return
    end
    handle:streamInfo():dynamicMetadata():set(CALLER, "call", caller .. " " .. address)
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
    count_wrong(address, os.time())
  end
end
