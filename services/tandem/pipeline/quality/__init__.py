"""How good answers are, watched while they are given."""
