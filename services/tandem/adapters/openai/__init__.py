"""OpenAI-compatible endpoints, as a client."""
