"""How good retrieval and answers are: measures, what they are taken from, and how two configurations compare."""
