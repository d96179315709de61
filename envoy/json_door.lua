-- The JSON door: stands before the transcoder, so it sees a legacy call before it becomes gRPC and
-- the answer after it became JSON. gRPC and gRPC-Web calls pass untouched. See README.md.
--
-- Its parts are in json_door/. json_requests and edge_errors are written by `make generate`: the routes
-- and request messages, and the words of what Envoy answers by itself.
local answers = require("json_door.answers")
local basic = require("gate.basic")
local bounds = require("json_door.bounds")
local budget = require("json_door.budget")
local calling = require("gate.calling")
local clock = require("clock")
local leniency = require("json_door.leniency")
local routes = require("json_door.routes")
local token_form = require("json_door.token_form")

-- Dynamic metadata: what the response side must know of a call, as one text, for each access costs.
local CALL = "loyalty.json_door.call"
local TIME = "loyalty.json_door.time" -- What it has taken of a stranger's time, who may get it back.
-- Where a caller's own trace begins.
local ROOT = "Root=(1%-" .. ("%x"):rep(8) .. "%-" .. ("%x"):rep(24) .. ")"
-- What was put right in a paid order, as the server would name it to the operator.
local MENDED = "loyalty-mended"
-- That a call of our own came by its path of ES, which not every program serves.
local ALIAS = "loyalty-alias"
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
-- What an answer tells us and not the caller, and what else is read of its headers.
local LEFTOVERS = {
  ["grpc-status"] = true,
  ["grpc-message"] = true,
  ["grpc-status-details-bin"] = true,
  ["grpc-encoding"] = true,
  ["grpc-accept-encoding"] = true,
  ["loyalty-http-status"] = true,
  ["loyalty-http-body"] = true,
}
-- The paths whose answer is the one field of its message, where it has a list or an object.
local ALONE = {
  "^/loyalty/transactions/search/?$",
  "^/client/users/[^/]+/advices/loyalty/?$",
  "^/client/users/[^/]+/membership/?$",
}
-- One of the fixed headers of each dialect, which the route sets.
local FIXED = "x-content-type-options"
local READ = { [":status"] = true, ["content-type"] = true }

-- The body that went on last, and whose time it took. The transcoder refuses a call before the worker
-- turns to another, so a refused call finds its own here, by its number.
local latest = { number = 0 }
local number = 0 -- Of the call that came last.

-- Whether a call is gRPC's own. What only resembles it may not be taken for it from here on.
local function is_grpc(headers)
  local content_type = headers:get("content-type") or ""
  if calling.is_grpc(content_type) then
    return true
  elseif content_type:sub(1, 16) == "application/grpc" then
    headers:replace("content-type", "application/json")
  end
  return false
end

-- Keep what the response side must know of a call.
local function note_call(handle, headers, call)
  local request_id, root = "-", "-"
  if call.dialect == "es" then
    request_id = headers:get("x-request-id") or request_id
    root = (headers:get("x-amzn-trace-id") or ""):match(ROOT) or root
  end
  headers:replace("loyalty-dialect", call.dialect)
  number = number + 1
  call.number = number
  local told = ("%d %s %s %s %s %s"):format(
    number,
    call.dialect,
    call.stranger and "stranger" or "-",
    request_id,
    root,
    call.line
  )
  handle:streamInfo():dynamicMetadata():set(CALL, "line", told)
end

-- The account of a stranger's call that is answered, and the seconds that were taken of it.
local function time_of(metadata)
  local kept = metadata:get(TIME)
  if not kept then
    return nil, 0
  end
  local length, seconds, stranger = kept.told:match("^(%d+) (%S+) (%S+)$")
  return budget.account_of(nil, stranger, tonumber(length)), tonumber(seconds)
end

local function refuse(handle, status, problem)
  if problem then
    handle:streamInfo():dynamicMetadata():set(CALL, "problem", problem)
  end
  calling.refuse(handle, status)
end

-- Make of a body what the transcoder accepts; a status and what is wrong with it where that can't be.
local function put_right(handle, buffer, call)
  local body = buffer:getBytes(0, buffer:length())
  local refusal, problem = bounds.refusal_of_body(body)
  if refusal then
    return refusal, problem
  end
  local route = call.route
  if route.kind == "token" then
    latest.body = token_form.put_right(handle:headers(), body)
    buffer:setBytes(latest.body)
    return handle:headers():get("x-api-key") == nil and "401" or nil
  end
  local admitted, told = leniency.mend(body, route)
  local closed = routes.close_with(admitted, routes.closing_members(call.path, route))
  if closed ~= body then
    buffer:setBytes(closed)
  end
  if #told > 0 then
    handle:headers():replace(MENDED, table.concat(told, ","))
  end
  latest.body = admitted
  return nil
end

-- Wait for the body of a call, and send on what the transcoder accepts.
local function let_body_through(handle, call, encoded)
  local buffer = handle:body()
  if not buffer then
    return
  end
  -- What was fetched before the wait for the body is out of scope after it.
  local length = buffer:length()
  local refusal = bounds.refusal_of_length(length, encoded)
  if refusal then
    refuse(handle, refusal)
    return
  end
  local began = clock.worked()
  local account = budget.account_of(call.caller, call.stranger, length)
  if not budget.has_time(account) then
    calling.refuse(handle, "429", "time")
    return
  end
  latest.number, latest.account, latest.body = call.number, account, nil
  local problem
  refusal, problem = put_right(handle, buffer, call)
  local taken = budget.charge(account, began)
  if call.stranger then
    local told = ("%d %.9f %s"):format(length, taken, call.stranger)
    handle:streamInfo():dynamicMetadata():set(TIME, "told", told)
  end
  if refusal then
    refuse(handle, refusal, problem)
  end
end

-- What a call is for, by its headers; a status and what is wrong with it where it may not pass.
local function read_call(headers)
  local url, method = headers:get(":path") or "/", headers:get(":method")
  local call = {
    caller = headers:get(calling.CALLER),
    stranger = headers:get(calling.STRANGER),
    line = method .. " " .. url,
    url = url,
    cleaned = url,
  }
  local refusal, problem = bounds.refusal_of_head(method, url, headers:get("content-length"))
  call.route = routes.plain[call.line] -- As nearly all calls: their address says nothing more.
  if call.route then
    call.path, call.dialect = url, call.route.dialect
    return call, refusal, problem
  end
  call.path = url:match("^[^?]*")
  call.route = routes.find(call.path, method)
  call.dialect = call.route and call.route.dialect or routes.dialect_of(call.path)
  if call.route and not refusal then
    call.cleaned = routes.without_bound(url, call.route)
    call.line = method .. " " .. call.cleaned
  end
  -- What the door does not know it does not let through: it could not tell what the path fills.
  return call, refusal or not call.route and "404" or nil, problem
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if is_grpc(headers) then
    return
  end
  local call, refusal, problem = read_call(headers)
  note_call(handle, headers, call)
  if refusal then
    refuse(handle, refusal, problem)
    return
  end
  if call.route.alias then
    headers:replace(ALIAS, "1")
  end
  if call.cleaned ~= call.url then
    headers:replace(":path", call.cleaned)
  end
  local encoded = bounds.is_encoded(headers:get("content-encoding") or "")
  routes.tell_query_key(headers, call.cleaned, call.route)
  let_body_through(handle, call, encoded)
end

-- Keep what the server answered for the access log, for the caller is not shown it.
local function note_status(metadata, from_grpc)
  metadata:set(CALL, "grpc_status", STATUSES[tonumber(from_grpc)] or "-")
end

-- What was kept of the call that is answered.
local function call_of(kept)
  local own, dialect, stranger, request_id, root, method, path, query =
    kept.line:match("^(%d+) (%S+) (%S+) (%S+) (%S+) (%S+) ([^?]*)%??(.*)$")
  return {
    number = tonumber(own),
    dialect = dialect,
    stranger = stranger ~= "-",
    request_id = request_id ~= "-" and request_id or "",
    root = root ~= "-" and root or "",
    method = method,
    path = path,
    query = query,
    problem = kept.problem,
  }
end

-- In one pass over headers, for each look into them costs: what is read of them, and the names of what
-- the caller is not shown.
local function look_through(headers)
  local seen, leftovers = {}, {}
  for name, value in pairs(headers) do
    if LEFTOVERS[name] then
      leftovers[#leftovers + 1] = name
      seen[name] = value
    elseif READ[name] then
      seen[name] = value
    end
  end
  return seen, leftovers
end

local function strip(headers, leftovers)
  for _, name in ipairs(leftovers) do
    headers:remove(name)
  end
end

-- What the headers of an answer tell: its status, and the refusal that the server has made ready.
local function read_head(metadata, headers)
  local seen, leftovers = look_through(headers)
  local answer = {
    status = tonumber(seen[":status"]),
    ready = seen["loyalty-http-body"],
    ready_status = seen["loyalty-http-status"],
    from_grpc = seen["grpc-status"],
  }
  if seen["content-type"] == "application/grpc" then
    -- Envoy's own refusal of a call that said it was gRPC: see gate/callers.lua.
    local told = (seen["grpc-message"] or ""):match('^{"statusCode":(%d+)')
    if told then
      answer.status, answer.from_grpc = tonumber(told), nil
      headers:replace(":status", told)
    end
  end
  note_status(metadata, answer.from_grpc)
  strip(headers, leftovers)
  return answer
end

-- The same of a server's good answer, whose route has set and removed what it could; nil of any other.
local function read_good_head(metadata, headers)
  local from_grpc = headers:get("grpc-status")
  if from_grpc ~= "0" or headers:get(":status") ~= "200" or not headers:get(FIXED) then
    return nil
  end
  note_status(metadata, from_grpc)
  headers:remove("grpc-status")
  headers:remove("grpc-message")
  return { status = 200, from_grpc = from_grpc }
end

-- The same of what comes after the body.
local function read_trailers(handle, answer, buffer)
  local trailers = handle:trailers()
  if trailers then
    -- A refusal after the headers were sent.
    local seen, leftovers = look_through(trailers)
    answer.ready = seen["loyalty-http-body"]
    answer.ready_status = seen["loyalty-http-status"]
    answer.from_grpc = seen["grpc-status"]
    if answer.from_grpc then
      note_status(handle:streamInfo():dynamicMetadata(), answer.from_grpc)
    end
    strip(trailers, leftovers)
  elseif answer.status >= 400 and answer.ready then
    -- The transcoder has made the refusal's status its body.
    local start = buffer:getBytes(0, math.min(buffer:length(), 32))
    local code = start:match('^{"code":(%d+)')
    if code then
      note_status(handle:streamInfo():dynamicMetadata(), code)
    end
  end
end

-- The contract shows an empty `order`, and no `eligibleDiscounts` where there is none; the transcoder
-- prints both or neither. Returns nil where the body may stay as it is.
local function without_empty_discounts(buffer)
  local text = buffer and buffer:getBytes(0, buffer:length()) or ""
  local from, to = text:find('"eligibleDiscounts":[],', 1, true)
  return from and text:sub(1, from - 1) .. text:sub(to + 1)
end

-- A search answers a list, which no message of gRPC is, and a membership an object of any names: the value
-- alone of its message, the field of which is the only one. Returns nil where the body is another.
local function found_alone(buffer)
  local text = buffer and buffer:getBytes(0, buffer:length()) or ""
  return text:match('^{"%a+":(%[.*%])}$') or text:match('^{"%a+":({.*})}$')
end

local function is_alone(path)
  for _, pattern in ipairs(ALONE) do
    if path:find(pattern) then
      return true
    end
  end
  return false
end

local function put_in_place(handle, call, buffer, status, body, allowed)
  local headers = handle:headers()
  status = tonumber(status)
  if status >= 400 then
    headers:replace(":status", tostring(status))
    headers:replace("content-type", "application/json")
  end
  if allowed then
    headers:replace("allow", allowed)
  end
  if status == 401 and basic.takes_it(call.path) then
    headers:replace("www-authenticate", 'Basic realm="loyalty"')
  end
  if (status == 429 or status == 503) and not headers:get("retry-after") then
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
    answers.add_gateway_headers(handle, headers, headers:get("x-request-id") or "", "")
  end
end

-- The body of a refused call, if this is still the worker's last one. What refuses it by its kept text
-- would stop at a NUL, which no JSON has; another byte in its place is refused where it stands.
local function sent_by(call)
  local own = latest.number == call.number and latest or {}
  return own.body and own.body:gsub("%z", "\1"), own.account
end

-- The status and the body that a caller gets in place of an answer's own, and the methods of its path
-- where it did not take the call's; no body where it has its own.
local function reword(call, answer, buffer)
  if answer.ready and answer.ready_status then
    return answer.ready_status, answer.ready
  elseif answer.status >= 400 then
    local body, account = sent_by(call)
    call.account = account
    return answers.of(call, answer.status, answer.from_grpc, body)
  end
  local shorten = is_alone(call.path) and found_alone or without_empty_discounts
  return answer.status, shorten(buffer)
end

-- Envoy invalidates an object when the script waits, so each is fetched again after body().
function envoy_on_response(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  local kept = metadata:get(CALL)
  if not kept then
    complete_local_reply(handle)
    return
  end
  local call = call_of(kept)
  local headers = handle:headers()
  local answer = call.dialect == routes.dialect_of(call.path) and read_good_head(metadata, headers)
  if not answer then
    answer = read_head(metadata, headers)
    answers.add_fixed_headers(headers, call.dialect)
  end
  if call.dialect == "es" then
    answers.add_gateway_headers(handle, headers, call.request_id, call.root)
  end
  if answer.status < 400 then
    if call.stranger then
      budget.give_back(time_of(metadata))
    end
    if not call.path:find("^/loyalty/identify/?$") and not is_alone(call.path) then
      return
    end
  end

  local buffer = handle:body(true)
  read_trailers(handle, answer, buffer)
  local status, body, allowed = reword(call, answer, buffer)
  if body then
    put_in_place(handle, call, buffer, status, body, allowed)
  end
end
