"""The rules of the service: pure functions and values, without input or output."""
