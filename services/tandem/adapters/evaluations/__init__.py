"""Evaluations on this disk: their results as JSON Lines, their reports as HTML."""
