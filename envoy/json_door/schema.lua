-- What the request messages say of their fields: which values may be written otherwise.
local requests = require("json_requests")

-- Tills write 0 or 300 where the contract says "0" or "300"; the transcoder would refuse them. Where
-- nothing is in a list, some write {}.
local schema = {
  real_names = {}, -- The JSON name, under both of a field's names.
}

-- By contract a string and nothing else.
local STRICT = { correlationId = true }
-- Flags that a till may write as true or false.
local ALSO_BOOLEAN = { anonymousSessionId = true }

-- The words of an enum by the word in upper case, where the contract's is not: the transcoder tries a
-- word as it came and in upper case, never in lower case.
local function cased(words)
  local found = {}
  for _, word in ipairs(words or {}) do
    if word ~= word:upper() then
      found[word:upper()] = word
    end
  end
  return found
end

for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    schema.real_names[key] = field.name
    field.quotable = field.type == "string" and not STRICT[field.name]
    field.also_boolean = ALSO_BOOLEAN[field.name] or false
    field.cased = cased(field.words)
  end
end

local function is_same(one, other)
  return one.type == other.type
    and one.repeated == other.repeated
    and one.message == other.message
    and table.concat(one.words or {}, " ") == table.concat(other.words or {}, " ")
end

local function collect(message, found, seen)
  if seen[message] then
    return
  end
  seen[message] = true
  for key, field in pairs(requests.messages[message]) do
    local known = found[key]
    if not known then
      found[key] = field
    elseif known.several or not is_same(known, field) then
      local words, several = {}, { field }
      for _, one in ipairs({ known, field }) do
        for upper, word in pairs(one.cased) do
          words[upper] = word
        end
      end
      for _, one in ipairs(known.several or { known }) do
        several[#several + 1] = one
      end
      found[key] = { several = several, cased = words }
    end
    if field.message then
      collect(field.message, found, seen)
    end
  end
end

local of = {}
for _, route in ipairs(requests.routes) do
  of[route.request] = of[route.request] or {}
  collect(route.request, of[route.request], {})
end

-- The fields that a request may have at any place, by both of their names. A name that means different
-- things in different messages has all of these in `several`: its place must be looked at.
function schema.fields_of(request)
  return of[request]
end

return schema
