-- The gate: stands where a call has come as a whole, before anything is counted or parsed. It lets
-- nobody in who brings no key, and over gRPC nothing but one whole message. See README.md.

local OPEN = { -- Paths that need no key.
  ["/grpc.health.v1.Health/Check"] = true,
}
local STREAMS = { -- Their routes bound them; they have no whole message to wait for.
  ["/grpc.health.v1.Health/Watch"] = true,
  ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = true,
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = true,
}
local PREFIX = 5 -- One byte that tells whether the message is compressed, four its length.

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

local function given(headers, name)
  return (headers:get(name) or ""):find("%S")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path") or ""
  if STREAMS[path] then
    return
  end
  local grpc = is_grpc(headers:get("content-type") or "")
  -- A browser asks without a key whether it may call; the JSON door says no.
  local open = OPEN[path] or not grpc and headers:get(":method") == "OPTIONS"
  if not (open or given(headers, "x-api-key") or given(headers, "authorization")) then
    handle:respond({ [":status"] = "401" }, "")
  elseif grpc and not is_one_message(handle:body()) then
    handle:respond({ [":status"] = "400" }, "")
  end
end
