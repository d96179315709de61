"""What a call is counted as: OK, CANCELLED, or the reason of its error."""

OK = "OK"

CANCELLED = "CANCELLED"
"""What a call is counted as whose caller has gone."""
