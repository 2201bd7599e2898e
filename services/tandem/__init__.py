"""Retrieval-augmented generation, as one process or as a fleet."""
