-- Two random numbers of 32 bits that are the same in all workers of one Envoy, and others after a start.
local bit = require("bit")

local has_ffi, ffi = pcall(require, "ffi")

local RANDOM = 25 -- As Linux numbers what it gives each program at its start: 16 random bytes.

-- The bytes that the kernel has given this process; nil where it gives none.
local function bytes_of_start()
  if not has_ffi or ffi.os ~= "Linux" then
    return nil
  end
  ffi.cdef("unsigned long getauxval(unsigned long);")
  local at = ffi.C.getauxval(RANDOM)
  return at ~= 0 and ffi.string(ffi.cast("const char *", at), 16) or nil
end

-- Elsewhere each worker has its own: then a key may call that much more often.
local function bytes_of_system()
  local source = assert(io.open("/dev/urandom", "rb"))
  local bytes = source:read(16)
  source:close()
  return bytes
end

local function number_at(bytes, at)
  local a, b, c, d = bytes:byte(at, at + 3)
  return bit.tobit(a + bit.lshift(b, 8) + bit.lshift(c, 16) + bit.lshift(d, 24))
end

local bytes = bytes_of_start() or bytes_of_system()

return {
  first = bit.bxor(number_at(bytes, 1), number_at(bytes, 9)),
  second = bit.bxor(number_at(bytes, 5), number_at(bytes, 13)),
}
