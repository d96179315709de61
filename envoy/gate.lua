-- The gate, which stands twice: before the buffer ("callers") it lets callers in, and after it ("calls")
-- whole calls through. Its parts are in gate/. See README.md.
--
-- What it remembers is a worker's own, each of the two its own, and lost when Envoy ends.

-- Sets what Envoy calls; *origins* are those of pages that may call.
return function(stage, origins)
  if stage == "callers" then
    envoy_on_request, envoy_on_response = require("gate.callers").new(origins or {})
  else
    local calls = require("gate.calls")
    envoy_on_request, envoy_on_response = calls.on_request, calls.on_response
  end
end
