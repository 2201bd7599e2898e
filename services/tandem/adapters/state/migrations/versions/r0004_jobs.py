"""Jobs, their events, and the messages about their ends."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """The queue, with an index for every place in which a job can stand."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Text()),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("not_before", sa.Double()),
        sa.Column("expires_at", sa.Double()),
        sa.Column("callback_url", sa.Text()),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("batch_id", sa.Text()),
        sa.Column("custom_id", sa.Text()),
        sa.Column("line", sa.Integer()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("turn", sa.Double()),
        sa.Column("wake_at", sa.Double()),
        sa.Column("worker", sa.Text()),
        sa.Column("lease_token", sa.Text()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("stop_at", sa.Double()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("receipt_id", sa.Text()),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("failure_code", sa.Text()),
        sa.Column("failure_message", sa.Text()),
    )
    op.create_index("jobs_next", "jobs", ["queue", "turn", "id"], **_where("turn IS NOT NULL"))
    op.create_index("jobs_open", "jobs", ["queue", "tenant", "priority", "turn"], **_where("ended_at IS NULL"))
    op.create_index("jobs_later", "jobs", ["wake_at"], **_where("wake_at IS NOT NULL"))
    op.create_index("jobs_leased", "jobs", ["lease_until"], **_where("lease_until IS NOT NULL"))
    op.create_index("jobs_stopping", "jobs", ["worker"], **_where("stop_at IS NOT NULL"))
    expiring = "expires_at IS NOT NULL AND ended_at IS NULL"
    op.create_index("jobs_expiring", "jobs", ["expires_at"], **_where(expiring))
    op.create_index("jobs_newest", "jobs", ["tenant", "created_at", "id"])
    keyed = _where("idempotency_key IS NOT NULL")
    op.create_index("jobs_keyed", "jobs", ["tenant", "idempotency_key"], unique=True, **keyed)
    op.create_index("jobs_batch", "jobs", ["tenant", "batch_id", "line"], **_where("batch_id IS NOT NULL"))
    op.create_table(
        "job_turns",
        sa.Column("queue", sa.Text(), primary_key=True),
        sa.Column("turn", sa.Double(), nullable=False),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Text(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_table(
        "job_messages",
        sa.Column("job_id", sa.Text(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("token", sa.Text()),
        sa.Column("ended_at", sa.Double()),
    )
    op.create_index("job_messages_due", "job_messages", ["due_at"], **_where("due_at IS NOT NULL"))
    op.create_index("job_messages_ended", "job_messages", ["tenant", "status", "ended_at"])


def downgrade() -> None:
    """Gone, with every job that waits."""
    for table in ("job_messages", "job_events", "job_turns", "jobs"):
        op.drop_table(table)
