"""What is kept of the questions between two lives of a process."""
