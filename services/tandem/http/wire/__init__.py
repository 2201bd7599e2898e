"""The shapes of requests and answers, and their translation from and to the domain."""
