"""A real Kafka broker, one node without ZooKeeper: its jars come through Maven, once, into a cache."""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSION = "4.1.0"
MISSING = "no Kafka broker: put `java` (17 or newer) and `mvn` on PATH"
# May happen anywhere, so .ci/allowed-skips has it.
UNFETCHED = "no Kafka broker: Maven could not fetch it"
_FETCH_S = 240

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tandem.tests</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>
"""
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


@contextlib.contextmanager
def kafka_broker(folder: Path) -> Iterator[str]:
    """`127.0.0.1:PORT` of a broker of the test's own; skips the test where there can be none."""
    jars = _jars()
    port, controller = _free_port(), _free_port()
    properties = folder / "server.properties"
    properties.write_text(_PROPERTIES.format(port=port, controller=controller, folder=folder), encoding="utf-8")
    java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{jars}/*"]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", "dGFuZGVtLXRlc3Qta2Fma2E", "-c", properties],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    with (folder / "kafka.log").open("wb") as log:
        running = subprocess.Popen([*java, "kafka.Kafka", properties], cwd=folder, stdout=log, stderr=log)
    try:
        _wait(port, running, folder / "kafka.log")
        yield f"127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait(10)


def _jars() -> Path:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip(MISSING)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem-tests" / f"kafka-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "whole").exists():
            (cache / "pom.xml").write_text(_POM, encoding="utf-8")
            _fetch(cache)
            (cache / "whole").touch()
    return cache / "jars"


def _fetch(cache: Path) -> None:
    """What came before a failure stays in Maven's own cache: the next attempt has less to fetch."""
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    try:
        fetched = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=_FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{UNFETCHED}: no end within {_FETCH_S} s")
    if fetched.returncode:
        # On one line: the reason is read by the line.
        pytest.skip(f"{UNFETCHED}: {' '.join(fetched.stdout[-200:].split())}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Kafka was not ready:\n{log.read_text(errors='replace')[-2000:]}")
