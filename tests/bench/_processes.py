"""Processes that are measured: started, asked for the CPU that they and their children took, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and all its children, dead ones included."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    user, system, user_dead, system_dead = map(int, stat.rpartition(") ")[2].split()[11:15])
    children: list[str] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError):
            children += (task / "children").read_text().split()
    return (user + system + user_dead + system_dead) / _TICKS + sum(cpu_s(int(child)) for child in children)


def rss_mb(pid: int) -> float:
    """Resident megabytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def running(command: Sequence[str | Path], env: Mapping[str, str], folder: Path | None = None) -> Iterator[int]:
    """The process's id; its output goes to a file. It and its whole group end with the context."""
    with tempfile.NamedTemporaryFile("wb", suffix=".log") as log:
        process = subprocess.Popen(
            list(map(str, command)), env={**os.environ, **env}, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield process.pid
        except NotAnswering as error:
            raise NotAnswering(f"{error}; its log ends:\n{Path(log.name).read_text()[-1500:]}") from None
        finally:
            _end(process)


class NotAnswering(Exception):
    """A process that was started does not do what it was started for."""


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
