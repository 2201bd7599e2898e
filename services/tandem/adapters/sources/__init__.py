"""Where documents come from and how their formats are read."""
