"""Lets Alembic run on the connection it is given."""

from alembic import context
from sqlmodel import SQLModel

from loyalty_service.storage import tables as tables  # noqa: PLC0414 - imported for its tables.

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
