"""An index over jobs that come again: they take turns of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AGAIN = sa.text("turn IS NOT NULL AND started_at IS NOT NULL")


def upgrade() -> None:
    """Small: most jobs wait once."""
    columns = ["queue", "tenant", "priority", "turn"]
    op.create_index("jobs_again", "jobs", columns, sqlite_where=_AGAIN, postgresql_where=_AGAIN)


def downgrade() -> None:
    """Without it they are found more slowly."""
    op.drop_index("jobs_again", "jobs")
