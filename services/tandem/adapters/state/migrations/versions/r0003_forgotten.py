"""Who was forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table."""
    op.create_table(
        "forgotten",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("asked_for", sa.Text(), primary_key=True),
        sa.Column("forgotten_at", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    """Gone: what is on its way then arrives."""
    op.drop_table("forgotten")
