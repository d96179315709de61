"""What operators do with a whole database: audit, backup, copy, repair."""
