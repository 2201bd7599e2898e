"""What the core needs from the outside, one Protocol per file."""
