"""Questions of streams, answered into streams."""
