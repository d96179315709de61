"""Changes of the schema, each a module that Alembic applies in order."""
