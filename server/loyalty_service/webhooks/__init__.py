"""Tells other systems of events, by messages that are signed and sent until they arrive."""
