"""Receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table, with its two ways in."""
    op.create_table(
        "receipts",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("caller", sa.Text()),
        sa.Column("asked_for", sa.Text()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("prompt", sa.Text()),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("content", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("receipts_newest", "receipts", ["tenant", "began_at", "id"])
    op.create_index("receipts_asked_for", "receipts", ["tenant", "asked_for", "began_at"])


def downgrade() -> None:
    """Gone, with every receipt."""
    op.drop_table("receipts")
