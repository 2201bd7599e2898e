"""The schema from version to version; Alembic reads this folder."""
