"""Tandem's own retriever target, as a client."""
