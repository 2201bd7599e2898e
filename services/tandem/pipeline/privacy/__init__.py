"""What is kept of an answer, and what is taken out of it before it is."""
