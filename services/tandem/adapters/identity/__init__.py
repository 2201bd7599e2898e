"""Who callers are, told from outside: a file of keys, an identity provider's tokens."""
