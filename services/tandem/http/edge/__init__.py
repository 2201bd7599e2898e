"""The server's side of a connection: who may connect, how long a client may take, and how the process takes its leave."""
