-- Where a call comes from, as what is counted for an address tells callers apart.
local networks = {}

local GROUPS, OF_NETWORK = 8, 4 -- Of an IPv6 address; a customer has what begins with the same four.

local function add_groups(groups, text)
  for group in text:gmatch("[^:]+") do
    groups[#groups + 1] = ("%x"):format(tonumber(group, 16) or 0)
  end
  return groups
end

-- An address, or of IPv6 the network that one customer has, however its zeros are written.
function networks.of(address)
  if not address:find(":", 1, true) then
    return address
  elseif address:find(".", 1, true) then
    return address:match("^.*:(.*)$") -- An address of IPv4, written as one of IPv6.
  end
  local gap = address:find("::", 1, true)
  local groups = add_groups({}, gap and address:sub(1, gap - 1) or address)
  local after = gap and #add_groups({}, address:sub(gap + 2)) or 0
  if gap then
    for _ = 1, math.min(GROUPS - #groups - after, OF_NETWORK) do
      groups[#groups + 1] = "0"
    end
    add_groups(groups, address:sub(gap + 2))
  end
  return table.concat(groups, ":", 1, math.min(#groups, OF_NETWORK))
end

return networks
