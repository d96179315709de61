-- Words what Envoy answers by itself, in the dialect of the call: the words are those of edge_errors.
local edge = require("edge_errors")
local routes = require("json_door.routes")
local texts = require("json_door.texts")
local violations = require("json_door.violations")

local answers = {}

local SUMMED_UP = 10 -- As many wrong fields the server's metadata names.

local function es_body(status, words)
  return ('{"statusCode":%d,"errorMessage":"%s","errorCode":"%s"}'):format(
    status,
    texts.escape(words.message),
    words.code
  )
end

local function rbi_body(status, words, details)
  return ('{"statusCode":%d,"isEngineError":false,"code":"%s","message":"%s","details":%s}'):format(
    status,
    words.code,
    texts.escape(words.message),
    details
  )
end

-- The first wrong field whose words the contract of this RPC fixes speaks for all of them.
local function es_violations(route, errors)
  local parts = {}
  for index, problem in ipairs(errors) do
    local fixed = route.words.fields[problem.whole and "" or problem.field]
    local words = fixed and (problem.missing and fixed.missing or fixed.wrong)
    if words then
      return words.status, es_body(words.status, words)
    end
    parts[index] = problem.field == "" and problem.message or problem.field .. " " .. problem.message
  end
  return 400, es_body(400, { message = table.concat(parts, "; "), code = edge.answers.es[400].code })
end

local function rbi_violations(errors)
  local parts, named = {}, {}
  for index, problem in ipairs(errors) do
    parts[index] = ('{"field":"%s","message":"%s"}'):format(texts.escape(problem.field), texts.escape(problem.message))
    if index <= SUMMED_UP then
      named[index] = problem.field
    end
  end
  local details = ('{"reason":"REQUEST_INVALID","metadata":{"fields":"%s","violations":"%d"},"errors":[%s]}'):format(
    texts.escape(table.concat(named, ",")),
    #errors,
    table.concat(parts, ",")
  )
  return rbi_body(400, edge.answers.rbi[400], details)
end

-- Word an answer that carries no body of the server's: Envoy's own, or a bare gRPC status. Returns the
-- status, the body, and the methods of a path that does not take the call's.
function answers.of(call, status, from_grpc, body)
  local route = routes.find(call.path, call.method)
  if status == 404 and not route and routes.methods(call.path) ~= "" then
    status = 405
  elseif status == 400 and route and not from_grpc and not route.words.oauth then
    local errors = violations.find(call, route, body)
    if call.dialect == "es" then
      return es_violations(route, errors)
    end
    return 400, rbi_violations(errors)
  end
  local allowed = status == 405 and routes.methods(call.path) or nil
  local own = route and route.words.answers[status]
  if route and route.words.oauth then
    local failed = status >= 500 and "server_error" or "invalid_request"
    local told = own or { status = status >= 500 and status or 400, error = failed }
    return told.status, ('{"error":"%s"}'):format(told.error)
  end
  if call.dialect == "es" and own then
    return own.status, es_body(own.status, own), allowed
  end
  local known = edge.answers[call.dialect]
  local words = known[status] or known[status < 500 and 400 or 500]
  if call.dialect == "es" then
    return status, es_body(status, words), allowed
  end
  return status, rbi_body(status, words, known[status] and words.details or "{}"), allowed
end

-- The headers that each answer of a dialect has.
function answers.add_fixed_headers(headers, dialect)
  for _, header in ipairs(edge.headers[dialect]) do
    headers:replace(header[1], header[2])
  end
end

-- What the published gateway of that contract adds to each answer, all made of the request's ID.
function answers.add_gateway_headers(handle, headers, request_id, root)
  local digits = request_id:gsub("%-", "")
  local bytes = digits:sub(1, 22):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end)
  if root == "" then
    root = ("1-%08x-%s"):format(os.time(), digits:sub(-24))
  end
  headers:replace("x-amzn-requestid", request_id)
  headers:replace("x-amz-apigw-id", handle:base64Escape(bytes))
  headers:replace("x-amzn-trace-id", "Root=" .. root .. ";Sampled=0")
end

return answers
