"""Backups of everything that is state, as one file."""
