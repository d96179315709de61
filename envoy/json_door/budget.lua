-- What looking closely at bodies may cost: a few milliseconds of one, and of all of a second a small
-- part of the worker. One worker does one thing at a time, so nobody else touches these meanwhile.
local budget = {
  TOO_MUCH = {}, -- Raised when a walk has no step left.
  MAX_BYTES = 65536, -- Of a body that is looked at closely.
}
local STEPS_A_SECOND = 30000

local steps_left, second, second_left = 0, 0, 0

-- Take steps of this second's, at most so many of those that are left.
function budget.grant(most)
  local now = os.time()
  if now ~= second then
    second, second_left = now, STEPS_A_SECOND
  end
  local granted = math.min(most, second_left)
  second_left = second_left - granted
  return granted
end

-- Return the steps of a grant that were not needed.
function budget.give_back(steps)
  second_left = second_left + math.max(steps, 0)
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
