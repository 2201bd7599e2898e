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
