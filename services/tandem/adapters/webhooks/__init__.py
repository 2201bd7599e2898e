"""Messages to servers of those who asked for them."""
