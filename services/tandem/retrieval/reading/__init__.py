"""What a question says of the documents that it wants, by rules that need no model."""
