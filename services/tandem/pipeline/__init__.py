"""The flows, top to bottom."""
