"""The tables as they are now; `migrations/versions/` tells how they came to be."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

METADATA = MetaData()
# What is asked for stands in columns; `body` is the whole record as JSON.
RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("began_at", Double, nullable=False),
    Column("caller", Text),
    Column("asked_for", Text),
    Column("outcome", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("model", Text),
    Column("prompt", Text),
    Column("release", Text, nullable=False),
    Column("content", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("receipts_newest", "tenant", "began_at", "id"),
    Index("receipts_asked_for", "tenant", "asked_for", "began_at"),
)
# `asked_for` is empty where a caller speaks for nobody; `labels` stand between blanks; `texts` are a pair as JSON.
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("receipt_id", Text, primary_key=True),
    Column("caller", Text, primary_key=True),
    Column("asked_for", Text, primary_key=True),
    Column("given_at", Double, nullable=False),
    Column("rating", Double, nullable=False),
    Column("labels", Text, nullable=False),
    Column("texts", LargeBinary, nullable=False),
    Index("feedback_oldest", "tenant", "given_at", "receipt_id", "caller", "asked_for"),
)
FORGOTTEN = Table(
    "forgotten",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("asked_for", Text, primary_key=True),
    Column("forgotten_at", Double, nullable=False),
)
# Of now alone: no backup has it. `wanted` is JSON.
DEMAND = Table(
    "demand",
    METADATA,
    Column("process", Text, primary_key=True),
    Column("turn", BigInteger, nullable=False),
    Column("wanted", LargeBinary, nullable=False),
)


def _where(condition: str) -> dict[str, Any]:
    """An index over those rows alone, in both dialects."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# Where a job stands is told by which of these it has: `turn` while it can run, `wake_at` while it waits for its time,
# `lease_until` while it runs, `ended_at` from then on. `groups` is JSON.
JOBS = Table(
    "jobs",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("asked_for", Text),
    Column("weight", Double, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("not_before", Double),
    Column("expires_at", Double),
    Column("callback_url", Text),
    Column("idempotency_key", Text),
    Column("batch_id", Text),
    Column("custom_id", Text),
    Column("line", Integer),
    Column("status", Text, nullable=False),
    Column("turn", Double),
    Column("wake_at", Double),
    Column("worker", Text),
    Column("lease_token", Text),
    Column("lease_until", Double),
    Column("stop_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("receipt_id", Text),
    Column("result", LargeBinary, nullable=False),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Index("jobs_next", "queue", "turn", "id", **_where("turn IS NOT NULL")),
    Index("jobs_open", "queue", "tenant", "priority", "turn", **_where("ended_at IS NULL")),
    Index("jobs_again", "queue", "tenant", "priority", "turn", **_where("turn IS NOT NULL AND started_at IS NOT NULL")),
    Index("jobs_later", "wake_at", **_where("wake_at IS NOT NULL")),
    Index("jobs_leased", "lease_until", **_where("lease_until IS NOT NULL")),
    Index("jobs_stopping", "worker", **_where("stop_at IS NOT NULL")),
    Index("jobs_expiring", "expires_at", **_where("expires_at IS NOT NULL AND ended_at IS NULL")),
    Index("jobs_newest", "tenant", "created_at", "id"),
    Index("jobs_keyed", "tenant", "idempotency_key", unique=True, **_where("idempotency_key IS NOT NULL")),
    Index("jobs_batch", "tenant", "batch_id", "line", **_where("batch_id IS NOT NULL")),
    Index("jobs_batch_status", "tenant", "batch_id", "status", "failure_code", **_where("batch_id IS NOT NULL")),
    Index("jobs_batch_open", "batch_id", "status", **_where("batch_id IS NOT NULL AND ended_at IS NULL")),
)
# How far the turns of a queue have come.
JOB_TURNS = Table(
    "job_turns",
    METADATA,
    Column("queue", Text, primary_key=True),
    Column("turn", Double, nullable=False),
)
JOB_EVENTS = Table(
    "job_events",
    METADATA,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
)
# What is to be said of a job's end at its `callback_url`; `due_at` is there while it is `pending`.
JOB_MESSAGES = Table(
    "job_messages",
    METADATA,
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("due_at", Double),
    Column("token", Text),
    Column("ended_at", Double),
    Index("job_messages_due", "due_at", **_where("due_at IS NOT NULL")),
    Index("job_messages_ended", "tenant", "status", "ended_at"),
)
# One is `whole` once its last part is there; what a batch wrote has none: the batch's lines are it.
FILES = Table(
    "files",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("asked_for", Text),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("batch_id", Text),
    Column("side", Text),
    Index("files_newest", "tenant", "created_at", "id"),
    Index("files_written", "tenant", "batch_id", **_where("batch_id IS NOT NULL")),
)
FILE_PARTS = Table(
    "file_parts",
    METADATA,
    Column("file_id", Text, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
# What is asked for stands in columns; `body` is the whole batch as JSON. `due_at` is there until it is over: when it is to be
# moved on, or when whoever has its `token` is given up.
BATCHES = Table(
    "batches",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("asked_for", Text),
    Column("input_file_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("due_at", Double),
    Column("token", Text),
    Column("body", LargeBinary, nullable=False),
    Index("batches_newest", "tenant", "created_at", "id"),
    Index("batches_due", "due_at", **_where("due_at IS NOT NULL")),
)
# One row: all releases as JSON. Whoever changes it names the revision that it replaces.
RELEASE_BOOK = Table(
    "release_book",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
# Sums over the conversations of a candidate (`arm`), and of what it is held against.
RELEASE_TALLIES = Table(
    "release_tallies",
    METADATA,
    Column("release", Text, primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("conversations", BigInteger, nullable=False),
    Column("total", Double, nullable=False),
    Column("squares", Double, nullable=False),
)

# What a backup has, in an order in which rows can be put back.
KEPT = [table for table in METADATA.sorted_tables if table is not DEMAND]
