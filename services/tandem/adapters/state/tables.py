"""The tables as they are now; `migrations/versions/` tells how they came to be."""

from sqlalchemy import Boolean, Column, Double, Index, LargeBinary, MetaData, Table, Text

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
