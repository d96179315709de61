-- The JSON door: stands before the transcoder, so it sees a legacy call before it becomes gRPC and
-- the answer after it became JSON. gRPC and gRPC-Web calls pass untouched. See README.md.
--
-- Its parts are in json_door/. json_requests and edge_errors are written by `make generate`: the routes
-- and request messages, and the words of what Envoy answers by itself.
local answers = require("json_door.answers")
local bounds = require("json_door.bounds")
local budget = require("json_door.budget")
local clock = require("clock")
local leniency = require("json_door.leniency")
local routes = require("json_door.routes")

local CALL = "loyalty.json_door.call" -- dynamic metadata: what the response side must know
local TIME = "loyalty.json_door.time" -- As these: whose time the call has taken, and how much.
local GATE = "loyalty.gate" -- The gate's own: what had no room, for who counts refusals.
local BODY = "loyalty.json_door.body" -- apart from it, because only a refused call reads it back
-- Where a caller's own trace begins.
local ROOT = "Root=(1%-" .. ("%x"):rep(8) .. "%-" .. ("%x"):rep(24) .. ")"
-- What was put right in a paid order, as the server would name it to the operator.
local MENDED = "loyalty-mended"
-- The names of gRPC's statuses, as Envoy's access log spells them.
local STATUSES = {
  [0] = "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
}
local GRPC_LEFTOVERS = {
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "grpc-encoding",
  "grpc-accept-encoding",
  "loyalty-http-status",
  "loyalty-http-body",
}

-- Whether a call is gRPC's own. What only resembles it may not be taken for it from here on.
local function is_grpc(headers)
  local content_type = headers:get("content-type") or ""
  if content_type == "application/grpc" or content_type:sub(1, 17) == "application/grpc+" then
    return true
  elseif content_type:sub(1, 16) == "application/grpc" then
    headers:replace("content-type", "application/json")
  end
  return false
end

-- Remove what means something to gRPC or between us and the server: a JSON call has none of it, so
-- it is the caller's invention.
local function remove_inner_headers(headers)
  local inner = {}
  for name in pairs(headers) do
    if name:find("^grpc%-") or name:find("^loyalty%-") or name:find("%-bin$") then
      inner[#inner + 1] = name
    end
  end
  for _, name in ipairs(inner) do
    headers:remove(name)
  end
end

-- Keep what the response side must know of a call.
local function note_call(handle, headers, line, dialect, by_path)
  local metadata = handle:streamInfo():dynamicMetadata()
  headers:replace("loyalty-dialect", dialect)
  metadata:set(CALL, "line", line)
  metadata:set(CALL, "grpc_status", "-") -- Until a server has answered.
  if dialect ~= by_path then
    metadata:set(CALL, "dialect", dialect)
  end
  if dialect == "es" then
    metadata:set(CALL, "request_id", headers:get("x-request-id") or "")
    metadata:set(CALL, "root", (headers:get("x-amzn-trace-id") or ""):match(ROOT) or "")
  end
end

-- Keep whose time a call takes.
local function note_time(handle, who, length, seconds)
  if who.caller or who.stranger then
    local told = ("%d %.9f %s %s"):format(length, seconds, who.caller or "-", who.stranger or "-")
    handle:streamInfo():dynamicMetadata():set(TIME, "told", told)
  end
end

-- The account of a call that is answered, and the seconds that were taken of it.
local function time_of(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(TIME)
  if not kept then
    return nil, 0
  end
  local length, seconds, caller, stranger = kept.told:match("^(%d+) (%S+) (%S+) (%S+)$")
  return budget.account_of(caller, stranger ~= "-" and stranger or nil, tonumber(length)), tonumber(seconds)
end

local function refuse(handle, status, problem)
  if problem then
    handle:streamInfo():dynamicMetadata():set(CALL, "problem", problem)
  end
  handle:respond({ [":status"] = status }, "")
end

-- Make of a body what the transcoder accepts; a status and what is wrong with it where that can't be.
local function put_right(handle, buffer, path, route)
  local body = buffer:getBytes(0, buffer:length())
  local refusal, problem = bounds.refusal_of_body(body)
  if refusal then
    return refusal, problem
  end
  local admitted, told = leniency.mend(body, route)
  local closed = routes.close_with(admitted, routes.closing_members(path, route))
  if closed ~= body then
    buffer:setBytes(closed)
  end
  if #told > 0 then
    handle:headers():replace(MENDED, table.concat(told, ","))
  end
  -- Kept texts end at a NUL, which no JSON has; another byte in its place is refused where it stands.
  handle:streamInfo():dynamicMetadata():set(BODY, "text", (admitted:gsub("%z", "\1")))
  return nil
end

-- Wait for the body of a call, and send on what the transcoder accepts.
local function let_body_through(handle, path, route, encoded, who)
  local buffer = handle:body()
  if not buffer then
    return
  end
  -- What was fetched before the wait for the body is out of scope after it.
  local refusal = bounds.refusal_of_length(buffer:length(), encoded)
  if refusal then
    refuse(handle, refusal)
    return
  end
  local length, began = buffer:length(), clock.worked()
  local account = budget.account_of(who.caller, who.stranger, length)
  if not budget.has_time(account) then
    handle:streamInfo():dynamicMetadata():set(GATE, "full", "time")
    refuse(handle, "429")
    return
  end
  local problem
  refusal, problem = put_right(handle, buffer, path, route)
  note_time(handle, who, length, budget.charge(account, began))
  if refusal then
    refuse(handle, refusal, problem)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if is_grpc(headers) then
    headers:remove("loyalty-dialect")
    headers:remove(MENDED)
    return
  end
  local who = { caller = headers:get("loyalty-caller"), stranger = headers:get("loyalty-stranger") }
  remove_inner_headers(headers)
  local url, method = headers:get(":path") or "/", headers:get(":method")
  local path = url:match("^[^?]*")
  local refusal, problem = bounds.refusal_of_head(method, url, headers:get("content-length"))
  local route = routes.find(path, method)
  local cleaned = route and not refusal and routes.without_bound(url, route) or url
  local by_path = routes.dialect_of(path)
  note_call(handle, headers, method .. " " .. cleaned, route and route.dialect or by_path, by_path)
  if refusal or not route then
    -- What the door does not know it does not let through: it could not tell what the path fills.
    refuse(handle, refusal or "404", problem)
    return
  end
  if cleaned ~= url then
    headers:replace(":path", cleaned)
  end
  local encoded = bounds.is_encoded(headers:get("content-encoding") or "")
  routes.tell_query_key(headers, cleaned, route)
  let_body_through(handle, path, route, encoded, who)
end

local function strip_leftovers(headers)
  for _, name in ipairs(GRPC_LEFTOVERS) do
    headers:remove(name)
  end
end

-- Keep what the server answered for the access log, for the caller is not shown it.
local function note_status(handle, from_grpc)
  local name = STATUSES[tonumber(from_grpc)]
  if name then
    handle:streamInfo():dynamicMetadata():set(CALL, "grpc_status", name)
  end
end

-- What was kept of the call that is answered.
local function call_of(kept)
  local method, path, query = kept.line:match("^(%S+) ([^?]*)%??(.*)$")
  return {
    method = method,
    path = path,
    query = query,
    dialect = kept.dialect or routes.dialect_of(path),
    problem = kept.problem,
  }
end

-- What the headers of an answer tell: its status, and the refusal that the server has made ready.
local function read_head(handle, headers)
  local answer = {
    status = tonumber(headers:get(":status")),
    ready = headers:get("loyalty-http-body"),
    ready_status = headers:get("loyalty-http-status"),
    from_grpc = headers:get("grpc-status"),
  }
  if headers:get("content-type") == "application/grpc" then
    -- Envoy's own refusal of a call that said it was gRPC: see gate/callers.lua.
    local told = (headers:get("grpc-message") or ""):match('^{"statusCode":(%d+)')
    if told then
      answer.status, answer.from_grpc = tonumber(told), nil
      headers:replace(":status", told)
    end
  end
  note_status(handle, answer.from_grpc)
  strip_leftovers(headers)
  return answer
end

-- The same of what comes after the body.
local function read_trailers(handle, answer, buffer)
  local trailers = handle:trailers()
  if trailers then
    -- A refusal after the headers were sent.
    answer.ready = trailers:get("loyalty-http-body")
    answer.ready_status = trailers:get("loyalty-http-status")
    answer.from_grpc = trailers:get("grpc-status")
    note_status(handle, answer.from_grpc)
    strip_leftovers(trailers)
  elseif answer.status >= 400 and answer.ready then
    -- The transcoder has made the refusal's status its body.
    local start = buffer:getBytes(0, math.min(buffer:length(), 32))
    note_status(handle, start:match('^{"code":(%d+)'))
  end
end

-- The contract shows an empty `order`, and no `eligibleDiscounts` where there is none; the transcoder
-- prints both or neither. Returns nil where the body may stay as it is.
local function without_empty_discounts(buffer)
  local text = buffer and buffer:getBytes(0, buffer:length()) or ""
  local from, to = text:find('"eligibleDiscounts":[],', 1, true)
  return from and text:sub(1, from - 1) .. text:sub(to + 1)
end

local function put_in_place(handle, call, buffer, status, body, allowed)
  local headers = handle:headers()
  headers:replace(":status", tostring(status))
  headers:replace("content-type", "application/json")
  if allowed then
    headers:replace("allow", allowed)
  end
  if (tonumber(status) == 429 or tonumber(status) == 503) and not headers:get("retry-after") then
    headers:replace("retry-after", "1")
  end
  headers:replace("content-length", tostring(#body))
  if call.method ~= "HEAD" then
    buffer:setBytes(body)
  end
end

-- An answer to a call that was refused before it came here: local_reply_config gives it an ID, and
-- this header under /client/.
local function complete_local_reply(handle)
  local headers = handle:headers()
  if headers:get("expect-ct") then
    answers.add_gateway_headers(handle, headers:get("x-request-id") or "", "")
  end
end

-- Envoy invalidates an object when the script waits, so each is fetched again after body().
function envoy_on_response(handle)
  local kept = handle:streamInfo():dynamicMetadata():get(CALL)
  if not kept then
    complete_local_reply(handle)
    return
  end
  local call = call_of(kept)
  local headers = handle:headers()
  answers.add_fixed_headers(headers, call.dialect)
  if call.dialect == "es" then
    answers.add_gateway_headers(handle, kept.request_id, kept.root)
  end
  local answer = read_head(handle, headers)
  local account, taken = time_of(handle)
  call.account = account
  if answer.status < 400 then
    budget.give_back(account, taken)
  end
  if answer.status < 400 and call.path ~= "/loyalty/identify" then
    return
  end

  local buffer = handle:body(true)
  read_trailers(handle, answer, buffer)
  local status, body, allowed = answer.status, nil, nil
  if answer.ready and answer.ready_status then
    status, body = answer.ready_status, answer.ready
  elseif status >= 400 then
    local sent = handle:streamInfo():dynamicMetadata():get(BODY)
    status, body, allowed = answers.of(call, status, answer.from_grpc, sent and sent.text)
  else
    body = without_empty_discounts(buffer)
  end
  if body then
    put_in_place(handle, call, buffer, status, body, allowed)
  end
end
