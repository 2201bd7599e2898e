"""What was worked out before, in this process's memory."""
