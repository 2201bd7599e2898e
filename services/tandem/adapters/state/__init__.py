"""The state store: SQLite in a file, or PostgreSQL."""
