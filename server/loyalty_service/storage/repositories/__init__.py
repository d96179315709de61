"""What a unit of work keeps, a module for each aggregate: its statements, its rows, its locks."""
