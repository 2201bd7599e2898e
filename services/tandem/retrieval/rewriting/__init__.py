"""What is believed of the words that a model wrote for a search."""
