"""Use cases, one a module, each a plain function over a unit of work."""
