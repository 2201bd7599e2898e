"""Routes by subject; each is a factory that takes ports and plain values."""
