"""Have views for analysts, which are made again at the end of each change of the schema."""

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change no table: see `storage.report_views`."""


def downgrade() -> None:
    """Change no table: the views are gone before this begins."""
