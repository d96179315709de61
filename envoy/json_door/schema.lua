-- What the request messages say of a field's name, wherever it stands.
local requests = require("json_requests")

-- Tills write 0 or 300 where the contract says "0" or "300"; the transcoder would refuse them.
-- These keys are strings in every request, so a number may be quoted wherever they stand.
-- Names of lists are lists in every request, too: where nothing is in one, some write {}.
local schema = {
  quotable = {},
  integers = {},
  words = {}, -- Of enums, by the word in upper case, where the contract's is not.
  lists = {},
  real_names = {}, -- The JSON name, under both of a field's names.
  -- Flags that a till may write as true or false.
  also_boolean = { anonymousSessionId = true, anonymous_session_id = true },
}

local function note_words(key, field)
  for _, word in ipairs(field.words or {}) do
    -- The transcoder tries a word as it came and in upper case, never in lower case.
    if word ~= word:upper() then
      schema.words[key] = schema.words[key] or {}
      schema.words[key][word:upper()] = word
    end
  end
end

for _, fields in pairs(requests.messages) do
  for key, field in pairs(fields) do
    schema.lists[key] = schema.lists[key] ~= false and field.repeated == true
    schema.quotable[key] = schema.quotable[key] ~= false and field.type == "string"
    schema.integers[key] = schema.integers[key] ~= false and field.type == "integer"
    schema.real_names[key] = field.name
    note_words(key, field)
  end
end
-- By contract a string and nothing else.
schema.quotable.correlationId, schema.quotable.correlation_id = false, false

return schema
