"""What a call is counted as: OK, CANCELLED, or the reason of its error."""

OK = "OK"

CANCELLED = "CANCELLED"
"""Outcome of a call whose caller has hung up."""
