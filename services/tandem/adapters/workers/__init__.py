"""The other workers."""
