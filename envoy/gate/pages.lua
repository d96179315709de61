-- Tells browsers which pages of another origin may call, and read the answer.
local pages = {}

-- What a page may send, and what it may read of an answer besides the body.
local PREFLIGHT = {
  ["access-control-allow-methods"] = "GET, POST, PUT",
  ["access-control-allow-headers"] = "authorization, content-type, grpc-timeout, idempotency-key, x-api-key, "
    .. "x-grpc-web, x-identifier-type, x-user-agent, x-user-datetime",
  ["access-control-max-age"] = "600",
}
local EXPOSED = "allow, grpc-message, grpc-status, grpc-status-details-bin, idempotent-replayed, retry-after, "
  .. "x-amz-apigw-id, x-amzn-requestid, x-amzn-trace-id, x-request-id"

-- What a page of this origin is told of who may read the answer; nil where it may not. Under
-- /client/ that is the contract's own word, else the origin itself, if it is on the list.
function pages.readable_by(path, origin, origins)
  if path:sub(1, 8) == "/client/" then
    return "*"
  end
  for _, allowed in ipairs(origins) do
    local host = allowed:match("^(.*):%*$") -- With any port, or none.
    if allowed == origin or host and (host == origin or host == origin:match("^(.*):%d+$")) then
      return origin
    end
  end
  return nil
end

-- Tells, on an answer, that this page may read it, and which headers.
function pages.let_read(headers, readable)
  headers:replace("access-control-allow-origin", readable)
  headers:replace("access-control-expose-headers", EXPOSED)
  headers:replace("vary", "origin")
end

function pages.answer_preflight(handle, readable)
  local answer = { [":status"] = "204", ["access-control-allow-origin"] = readable, vary = "origin" }
  for name, value in pairs(PREFLIGHT) do
    answer[name] = value
  end
  handle:respond(answer, "")
end

return pages
