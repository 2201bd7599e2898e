"""What a process is called where several share a store."""

import os
import socket
from uuid import uuid4


def own_name() -> str:
    """Another one each time: machines may have the same name, and processes of containers the same number."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
