-- What both gates and the JSON door know of calls over gRPC, and how each refuses a call.
local calling = {
  -- Headers from the first gate to what follows; the server never sees them, nor a caller's own.
  CALLER = "loyalty-caller",
  STRANGER = "loyalty-stranger",
  -- Dynamic metadata of the gates.
  METADATA = "loyalty.gate",
  WHOLE = "loyalty.gate.whole", -- Of a call that came as a whole: who called, when, its bytes, and of a stranger when in tenths and the address.
  STREAMS = { -- Their routes bound them; they have no whole message to wait for.
    ["/grpc.health.v1.Health/Watch"] = true,
    ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = true,
    ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = true,
  },
}

function calling.is_grpc(content_type)
  return content_type == "application/grpc" or content_type:sub(1, 17) == "application/grpc+"
end

-- The bytes of a body that came as a whole; nil for one that did not.
function calling.bytes_of(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(calling.WHOLE)
  return kept and tonumber(kept.call:match("^%S+ %d+ (%d+)"))
end

-- Refuses a call; *full* names, for who counts them, what had no room for it.
function calling.refuse(handle, status, full)
  if full then
    handle:streamInfo():dynamicMetadata():set(calling.METADATA, "full", full)
  end
  handle:respond({ [":status"] = status }, "")
end

return calling
