"""Labelled sets on disk, in BEIR's layout."""
