-- The gate after the buffer, where a call has come as a whole. It lets over gRPC nothing through but one
-- whole message, of large bodies only some a second, and at once of a key no more than the server takes, and
-- of all strangers no more than leave known keys their places.
local clock = require("clock")
local calling = require("gate.calling")
local memory = require("gate.memory")

local PREFIX = 5 -- One byte that tells whether the message is compressed, four its length.
-- From the server: the call was refused because its key has too many under way. No caller sees it.
local BUSY = "loyalty-busy"
-- Calls of a key at the server at once: so many until it refuses some of them, which leaves others room
-- among the places that Envoy has at least; from then on what it takes, which is more or less.
local PLACES, PLACES_MIN, PLACES_MAX = 64, 4, 256
local MORE_A_REFUSAL = 2
local LEARNED_S = 5 -- What was learned of a key holds for so long.
local LARGE = 65536 -- Bytes of a body; no order of an ordinary visit comes near.
local ALL = "all"

local is_grpc, refuse = calling.is_grpc, calling.refuse
local WHOLE, CALLER, STRANGER, STREAMS = calling.WHOLE, calling.CALLER, calling.STRANGER, calling.STREAMS

-- Bytes of large bodies: of a key that is known or an address that has none, and of all strangers.
-- To read one takes the worker up to 25 ms.
local large, all_large = memory.new_limit(16777216, 4194304), memory.new_limit(33554432, 8388608)
-- Whole calls under way of a key, and how many it may have.
local at_server, learned = memory.new_holding(), memory.new()
-- The same of all strangers, each of whom may have another key: fewer than Envoy has places at least, for
-- wrong keys would take them all until the first is answered. From FAIR on only an address that has none comes
-- in. What is reset counts for half a second, in which a wrong key is answered: else a few resets would keep
-- out all keys that are new.
local STRANGERS, FAIR, TENTHS = 64, 48, 5
local strangers = memory.new_holding(STRANGERS, TENTHS)
local of_address = memory.new_holding(STRANGERS, TENTHS)

local function tenth()
  return math.floor(clock.now() * 10)
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

-- How many calls of a key may be under way.
local function places_of(caller, now)
  local found = learned.get(caller)
  return found and math.abs(now - found.since) < LEARNED_S and found.places or PLACES
end

-- Learns from an answer how many calls of a key the server takes: more for each that it served while
-- the key needed its places, and fewer for each that it refused, so that it refuses one for each
-- MORE_A_REFUSAL that it serves. Were it none, it would wait for calls that wait here.
local function learn(headers, caller, refused, now)
  local places = places_of(caller, now)
  if refused then
    places = math.max(places - MORE_A_REFUSAL / places, PLACES_MIN)
  elseif at_server.of(caller, now) * 2 >= places and headers:get(":status") == "200" then
    places = math.min(places + 1 / places, PLACES_MAX)
  else
    return
  end
  learned.put(caller, { places = places, since = now })
end

-- Whether a stranger of this address must leave the places to others.
local function must_wait(stranger, now)
  local fair = strangers.of(ALL, now) < FAIR or of_address.of(stranger, now) == 0
  return not fair or strangers.is_reached(ALL, 1, now)
end

-- Counts calls of a stranger as begun, or as done, at the server.
local function count_stranger(stranger, calls, began, now)
  strangers.add(ALL, calls, began, now)
  of_address.add(stranger, calls, began, now)
end

-- Takes a large body into account; false where its caller has sent too much of such.
local function take_large(bytes, caller, stranger, now)
  if bytes <= LARGE then
    return true
  end
  local name = stranger or caller or ""
  if large.is_reached(name, now) or stranger and all_large.is_reached(ALL, now) then
    return false
  end
  large.add(name, bytes, now)
  if stranger then
    all_large.add(ALL, bytes, now)
  end
  return true
end

local function let_call_through(handle)
  local headers = handle:headers()
  local over_grpc = is_grpc(headers:get("content-type") or "")
  if over_grpc and STREAMS[headers:get(":path") or ""] then
    return
  end
  local caller, stranger, now = headers:get(CALLER), headers:get(STRANGER), clock.second()
  if caller and at_server.of(caller, now) >= places_of(caller, now) then
    refuse(handle, "429", "places")
    return
  elseif stranger and must_wait(stranger, tenth()) then
    refuse(handle, "429", "strangers")
    return
  end
  -- The buffer before us has counted a body whose length was not announced.
  local bytes = tonumber(headers:get("content-length") or 0) or 0
  if not take_large(bytes, caller, stranger, now) then
    refuse(handle, "429", "large_bodies")
    return
  elseif over_grpc and not is_one_message(handle:body()) then
    refuse(handle, "400")
    return
  end
  if caller then
    at_server.add(caller, 1, now, now)
    local whose = "-"
    if stranger then
      local began = tenth()
      count_stranger(stranger, 1, began, began)
      whose = ("%d %s"):format(began, stranger)
    end
    handle:streamInfo():dynamicMetadata():set(WHOLE, "call", ("%s %d %d %s"):format(caller, now, bytes, whose))
  end
end

local function note_end(handle)
  local headers = handle:headers()
  local refused = headers:get(BUSY)
  if refused then
    headers:remove(BUSY)
  end
  local kept = handle:streamInfo():dynamicMetadata():get(WHOLE)
  if kept then
    local caller, began, whose = kept.call:match("^(%S+) (%d+) %d+ (.*)$")
    local now = clock.second()
    at_server.add(caller, -1, tonumber(began), now)
    local since, stranger = whose:match("^(%d+) (.*)$")
    if since then
      count_stranger(stranger, -1, tonumber(since), tenth())
    end
    learn(headers, caller, refused, now)
  end
end

-- What is done with a call, and with its answer.
return { on_request = let_call_through, on_response = note_end }
