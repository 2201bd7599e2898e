"""From passages and question to a prompt, and from an answer to its citations."""
