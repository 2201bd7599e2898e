"""From prompt to answer."""
