-- What both gates know of calls over gRPC, and how either refuses one.
local calling = {
  -- Headers from the first gate to what follows; the server never sees them, and never a caller's own.
  CALLER = "loyalty-caller",
  STRANGER = "loyalty-stranger",
  -- Dynamic metadata of the gates.
  METADATA = "loyalty.gate",
  STREAMS = { -- Their routes bound them; they have no whole message to wait for.
    ["/grpc.health.v1.Health/Watch"] = true,
    ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = true,
    ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = true,
  },
}

function calling.is_grpc(content_type)
  return content_type == "application/grpc" or content_type:sub(1, 17) == "application/grpc+"
end

-- Refuses a call; *full* names, for who counts them, what had no room for it.
function calling.refuse(handle, status, full)
  if full then
    handle:streamInfo():dynamicMetadata():set(calling.METADATA, "full", full)
  end
  handle:respond({ [":status"] = status }, "")
end

return calling
