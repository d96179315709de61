-- Which route a call means, and what its path says: no query and no body changes that.
local requests = require("json_requests")
local edge = require("edge_errors")
local texts = require("json_door.texts")

local routes = {
  plain = {}, -- Routes whose path has no variable, by method and path as a call names them.
}

-- Routes with a rule of their own, as tills call them.
local KINDS = {
  ["POST /client/users/anonymous/sessions"] = "session",
  ["GET /loyalty/transaction/pos"] = "outcome",
  ["POST /client/users/{correlation_id}/activity/finalize/v2"] = "purchase",
  ["POST /client/users/{correlation_id}/activity/saf/v2"] = "purchase",
  ["POST /loyalty/identify"] = "identify",
  ["POST /loyalty/transaction/pos"] = "unclaimed",
  ["POST /oauth2/token"] = "token",
  ["POST /loyalty/transaction/pos/offline"] = "unclaimed",
  ["POST /loyalty/visits/{correlation_id}/offline-purchase"] = "purchase",
  ["POST /loyalty/visits/{correlation_id}/purchase"] = "purchase",
  ["PUT /loyalty/transaction/pos/{loyalty_transaction_id}"] = "report",
  ["PUT /loyalty/transaction/pos/{loyalty_transaction_id}/void"] = "void",
}
-- Where a key in a query goes as it was written: the transcoder keeps "+", other readers make a
-- blank of it, and only the server can tell which was meant.
local QUERY_KEY = "loyalty-query-key"
local NO_WORDS = { fields = {}, answers = {} }

-- The dialect of a path that no RPC's own words say more about.
function routes.dialect_of(path)
  for _, rule in ipairs(edge.prefixes) do
    if path:sub(1, #rule.prefix) == rule.prefix then
      return rule.dialect
    end
  end
  return edge.dialect
end

for _, route in ipairs(requests.routes) do
  local name = route.method .. " " .. route.path
  route.kind = KINDS[name]
  route.words = edge.routes[name] or NO_WORDS
  route.dialect = route.words.dialect or routes.dialect_of(route.path)
  route.variables = {}
  route.bound = {} -- The fields that the path fills, under both of their names.
  local pattern = route.path:gsub("[%-%.%+%*%?%^%$%(%)%%]", "%%%0"):gsub("{([%w_]+)}", function(variable)
    table.insert(route.variables, variable)
    route.bound[variable], route.bound[requests.messages[route.request][variable].name] = true, true
    return "([^/]+)"
  end)
  route.pattern = "^" .. pattern .. "/?$" -- As the transcoder, which does without a last slash.
  if #route.variables == 0 then
    routes.plain[name] = route
  end
end

-- The route this path and method mean.
function routes.find(path, method)
  for _, route in ipairs(requests.routes) do
    if route.method == method and path:find(route.pattern) then
      return route
    end
  end
  return nil
end

-- The methods this path takes, as a header names them.
function routes.methods(path)
  local allowed = {}
  for _, route in ipairs(requests.routes) do
    if path:find(route.pattern) and not allowed[route.method] then
      allowed[route.method] = true -- Several routes may have one path: "anonymous" is an identifier, too.
      allowed[#allowed + 1] = route.method
    end
  end
  return table.concat(allowed, ", ")
end

-- Tell the server how the key that a query asks about was written, if "+" can be read in two ways.
function routes.tell_query_key(headers, url, route)
  local query = route.kind == "outcome" and url:match("%?(.*)$")
  if not query or not query:find("+", 1, true) then
    return
  end
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=(.*)$")
    name = name and texts.unescape(name)
    if (name == "idempotencyKey" or name == "idempotency_key") and value:find("+", 1, true) then
      headers:replace(QUERY_KEY, value)
    end
  end
end

-- What the path fills is the path's alone. The transcoder lets a parameter of that name replace it,
-- so none goes on, however its name is escaped.
function routes.without_bound(url, route)
  local path, query = url:match("^([^?]*)%?(.*)$")
  if not query or #route.variables == 0 then
    return url
  end
  local kept = {}
  for part in query:gmatch("[^&]+") do
    if not route.bound[texts.unescape(part:match("^[^=]*")):match("^[^%.]*")] then
      kept[#kept + 1] = part
    end
  end
  return path .. "?" .. table.concat(kept, "&")
end

-- What the path fills, as members that close a body. The transcoder lets a body's field replace the
-- path's, and of one that comes twice the last holds: so the path has the last word, however the
-- body spells or escapes its names.
function routes.closing_members(path, route)
  if #route.variables == 0 then
    return ""
  end
  local members = {}
  local values = { path:match(route.pattern) }
  for index, name in ipairs(route.variables) do
    members[index] = ('"%s":"%s"'):format(name, texts.escape(texts.unescape(values[index])))
  end
  return table.concat(members, ",")
end

-- A body with these members before its last bracket. Where that does not close the body, the body
-- is no JSON, with them or without. From the end byte by byte: as a rule that is one step, and no
-- body makes it more than its length.
function routes.close_with(body, members)
  local last = members == "" and 0 or #body
  while last > 0 and body:byte(last) ~= 125 do
    last = last - 1
  end
  if last == 0 then
    return body
  end
  local before = last - 1
  local byte = body:byte(before)
  while byte == 32 or byte and byte >= 9 and byte <= 13 do
    before = before - 1
    byte = before > 0 and body:byte(before) or nil
  end
  local separator = (byte == 123 or byte == 44) and "" or "," -- After "{" or "," there is none.
  return body:sub(1, last - 1) .. separator .. members .. body:sub(last)
end

return routes
