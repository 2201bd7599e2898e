"""How running processes are doing, read from their metrics."""
