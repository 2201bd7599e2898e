"""Records as lines of JSON on the standard output, for collectors of logs."""
