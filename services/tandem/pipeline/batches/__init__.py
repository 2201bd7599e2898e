"""Many questions in one file, in OpenAI's batch format."""
