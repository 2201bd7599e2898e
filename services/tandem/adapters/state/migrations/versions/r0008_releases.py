"""Releases, and what is measured of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two small tables."""
    op.create_table(
        "release_book",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "release_tallies",
        sa.Column("release", sa.Text(), primary_key=True),
        sa.Column("arm", sa.Text(), primary_key=True),
        sa.Column("measure", sa.Text(), primary_key=True),
        sa.Column("conversations", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("squares", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    """Without them the configuration serves by itself."""
    op.drop_table("release_tallies")
    op.drop_table("release_book")
