"""Files, batches over them, and the index that tells whether a batch has lines left."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Contents stand in parts beside their files."""
    op.create_table(
        "files",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Text()),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("batch_id", sa.Text()),
        sa.Column("side", sa.Text()),
    )
    op.create_index("files_newest", "files", ["tenant", "created_at", "id"])
    op.create_index("files_written", "files", ["tenant", "batch_id"], **_where("batch_id IS NOT NULL"))
    op.create_table(
        "file_parts",
        sa.Column("file_id", sa.Text(), sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Text()),
        sa.Column("input_file_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("due_at", sa.Double()),
        sa.Column("token", sa.Text()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("batches_newest", "batches", ["tenant", "created_at", "id"])
    op.create_index("batches_due", "batches", ["due_at"], **_where("due_at IS NOT NULL"))
    op.create_index(
        "jobs_batch_open", "jobs", ["batch_id", "status"], **_where("batch_id IS NOT NULL AND ended_at IS NULL")
    )
    op.create_index(
        # To count lines without a look at them: a line has an answer of kilobytes.
        "jobs_batch_status",
        "jobs",
        ["tenant", "batch_id", "status", "failure_code"],
        **_where("batch_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Gone, with every batch; lines of theirs stay as jobs."""
    op.drop_index("jobs_batch_status", "jobs")
    op.drop_index("jobs_batch_open", "jobs")
    for table in ("batches", "file_parts", "files"):
        op.drop_table(table)
