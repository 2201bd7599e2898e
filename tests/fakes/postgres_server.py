"""A real PostgreSQL, where one can be found: POSTGRES_URL, or `initdb` and `postgres` on PATH or in Debian's folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

MISSING = "no PostgreSQL: set POSTGRES_URL, or install its server (Debian: `postgresql`)"


class PostgresServer:
    """One server on a port of its own that a test may stop and start again. It runs as nobody where the test is root."""

    def __init__(self, binaries: Path, folder: Path, *, syncs: bool = False) -> None:
        self._binaries = binaries
        self._syncs = syncs
        self._folder = folder
        self._popen: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"postgresql://tandem@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """An empty cluster, with nothing synced to disk: it lives as long as the test."""
        if self._as:
            os.chown(self._folder, 65534, 65534)
        command = [*self._as, str(self._binaries / "initdb"), "-D", str(self._folder / "data"), "-U", "tandem"]
        command += ["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def start(self) -> None:
        """Returns once it answers."""
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        settings.append(f"fsync={'on' if self._syncs else 'off'}")
        options = [part for setting in (*settings, "shared_buffers=16MB") for part in ("-c", setting)]
        with (self._folder / "server.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [*self._as, self._binaries / "postgres", "-D", self._folder / "data", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"PostgreSQL was not ready in 30 s:\n{(self._folder / 'server.log').read_text()}")

    def stop(self) -> None:
        """At once, as after a crash; what was committed is there again at the next start."""
        if self._popen is not None:
            self._popen.send_signal(3)
            self._popen.wait(20)
            self._popen = None


@contextlib.contextmanager
def postgres_server(*, syncs: bool = False) -> Iterator[PostgresServer]:
    """A server of the test's own, in a folder that another user may enter; skips the test where there is none.

    With `syncs` what it commits is on the disk, as in earnest.
    """
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    binaries = Path(found).resolve().parent if found else debian[-1].parent if debian else None
    if binaries is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="tandem-postgres-") as folder:
        server = PostgresServer(binaries, Path(folder), syncs=syncs)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
