"""Feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table, and the way in by time."""
    op.create_table(
        "feedback",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("receipt_id", sa.Text(), primary_key=True),
        sa.Column("caller", sa.Text(), primary_key=True),
        sa.Column("asked_for", sa.Text(), primary_key=True),
        sa.Column("given_at", sa.Double(), nullable=False),
        sa.Column("rating", sa.Double(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
    )
    op.create_index("feedback_oldest", "feedback", ["tenant", "given_at", "receipt_id", "caller", "asked_for"])


def downgrade() -> None:
    """Gone, with every opinion."""
    op.drop_table("feedback")
