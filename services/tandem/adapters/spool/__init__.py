"""Records on the disk between the answers and the sinks, written by a thread that no answer waits for."""
