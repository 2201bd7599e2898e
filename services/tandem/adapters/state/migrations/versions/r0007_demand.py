"""What processes want of the pools."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A row for each process; lost with a crash of the database, and told again a second later."""
    op.create_table(
        "demand",
        sa.Column("process", sa.Text(), primary_key=True),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.LargeBinary(), nullable=False),
        prefixes=["UNLOGGED"] if op.get_context().dialect.name == "postgresql" else [],
    )


def downgrade() -> None:
    """Background of one process then notices people of another by slower first tokens."""
    op.drop_table("demand")
