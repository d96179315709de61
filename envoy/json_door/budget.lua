-- What looking closely at bodies may cost: the steps of a walk, and the worker's time, which callers
-- share. One worker does one thing at a time, so nobody else touches these meanwhile.
local clock = require("clock")
local memory = require("gate.memory")

local budget = {
  TOO_MUCH = {}, -- Raised when a walk has no step left.
  MAX_BYTES = 65536, -- Of a body that is looked at closely.
}

local SMALL = 4096 -- Bytes of a body; a till's order of ten lines has less.
-- Seconds of the worker, of each of its seconds: for keys that have worked, and, apart from these, for
-- strangers' bodies, so that their large ones leave the small ones time.
local of_keys = memory.new_share(0.2, 0.4, 0.8)
local of_strangers = memory.new_share(0.2, 0.1, 0.4)
local of_strangers_large = memory.new_share(0.15, 0.05, 0.3)

local steps_left = 0

-- Whose time a call takes, by what the gate tells of it and the length of its body; nil for nobody's.
function budget.account_of(caller, stranger, length)
  if stranger then
    return { share = length > SMALL and of_strangers_large or of_strangers, name = stranger, stranger = true }
  end
  return caller and { share = of_keys, name = caller }
end

-- Whether an account has time left.
function budget.has_time(account)
  return not account or not account.share.is_used_up(account.name, clock.now())
end

-- The seconds that the work took, as the account's.
function budget.charge(account, began)
  local taken = clock.worked() - began
  if account then
    account.share.add(account.name, taken, clock.now())
  end
  return taken
end

-- Gives time back to an account whose call has succeeded: only what fails is bounded for strangers.
function budget.give_back(account, seconds)
  if account and account.stranger then
    account.share.add(account.name, -seconds, clock.now())
  end
end

-- Begin a walk of so many steps.
function budget.begin(steps)
  steps_left = steps
end

-- The steps that the walk under way has left.
function budget.left()
  return steps_left
end

function budget.step()
  steps_left = steps_left - 1
  if steps_left < 0 then
    error(budget.TOO_MUCH, 0)
  end
end

return budget
