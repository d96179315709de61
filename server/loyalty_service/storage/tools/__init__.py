"""What operators do with a whole store: audit, backup, copy, repair."""
