"""From bytes to embedded chunks."""
