"""Rules of the trade: pure functions and values, without input or output."""
