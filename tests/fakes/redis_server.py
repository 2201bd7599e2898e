"""A real Redis or Valkey, where one can be found: REDIS_URL, or `redis-server` or `valkey-server` on PATH."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MISSING = "no Redis: set REDIS_URL, or put `redis-server` or `valkey-server` on PATH"


class RedisServer:
    """One server on a port of its own that a test may stop and start again."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._popen: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns once it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "redis.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"redis was not ready in 20 s:\n{(self._folder / 'redis.log').read_text()}")

    def kill(self) -> None:
        """Gone at once, with all that it knew."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait(10)
            self._popen = None


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A server of the test's own; skips the test where no binary is found."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip(MISSING)
    server = RedisServer(binary, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
