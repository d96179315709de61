-- What time it is for whatever Envoy counts: neither clock jumps when the machine's is set.
local has_ffi, ffi = pcall(require, "ffi")

local clock = {}

local MONOTONIC, OF_THREAD = 1, 3 -- As Linux numbers them.

if has_ffi and ffi.os == "Linux" then
  ffi.cdef([[
    struct loyalty_time { long seconds; long nanoseconds; };
    int clock_gettime(int, struct loyalty_time *);
  ]])
  local read = ffi.new("struct loyalty_time")
  local function seconds_of(which)
    ffi.C.clock_gettime(which, read)
    return tonumber(read.seconds) + tonumber(read.nanoseconds) / 1e9
  end

  -- Seconds since some moment, with their fractions.
  function clock.now()
    return seconds_of(MONOTONIC)
  end

  -- Seconds that this worker has run.
  function clock.worked()
    return seconds_of(OF_THREAD)
  end
else
  local last, passed = os.time(), 0

  -- A wall clock that is set back stands still; whoever counts by it loses nothing.
  function clock.now()
    local now = os.time()
    passed, last = passed + math.max(0, now - last), now
    return passed
  end

  clock.worked = os.clock -- Of all workers.
end

-- The same as *now*, in whole seconds.
function clock.second()
  return math.floor(clock.now())
end

return clock
