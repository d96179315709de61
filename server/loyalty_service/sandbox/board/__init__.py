"""The board: a page that shows what passes through the sandbox, and moves its clock and faults."""
