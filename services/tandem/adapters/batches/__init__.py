"""Batches as files on this disk."""
