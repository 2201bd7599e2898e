"""Shards of one ingest as processes that are killed at any moment: the store is what one clean run would have made of it."""

import contextlib
import json
import os
import random
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
import uvicorn

from component.deployments import TANDEM, Process, start, stop
from fakes.embedding_server import EmbeddingServer

pytestmark = pytest.mark.timeout(240)

DOCUMENTS = 40
SHARDS = 3
TRIES = 3
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("corpus") / "docs"
    docs.mkdir()
    for number in range(DOCUMENTS):
        parts = "\n\n".join(
            f"## Part {part}\n\n" + f"Page {number} tells of part {part} in words of its own: {number * 7 + part}. " * 8
            for part in range(4)
        )
        (docs / f"page-{number:02}.md").write_text(f"# Page {number}\n\n{parts}\n", encoding="utf-8")
    return docs


@pytest.fixture(scope="module")
def embedding() -> Iterator[tuple[EmbeddingServer, dict[str, str]]]:
    """A server whose vectors cost nothing: what is killed here is the ingestion. It takes its time, so that it can be."""
    server = EmbeddingServer(delay_s=0.05)
    listening = uvicorn.Server(uvicorn.Config(server.app, port=0, lifespan="off", log_level="warning"))
    serving = threading.Thread(target=listening.run)
    serving.start()
    while not listening.started:
        time.sleep(0.01)
    port = listening.servers[0].sockets[0].getsockname()[1]
    yield server, {"TANDEM_EMBEDDER__URL": f"http://127.0.0.1:{port}"}
    listening.should_exit = True
    serving.join()


class House:
    """A retriever that owns the store in `home`, and whatever ingests through it."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home = home
        self._env = env
        self.retriever = start("retriever", home, env)
        self._port = self.retriever.url.rpartition(":")[2]
        self._running: list[subprocess.Popen[bytes]] = []

    def shard(self, index: int, folder: Path, *more: str) -> "subprocess.Popen[bytes]":
        """`tandem ingest` of one shard through the retriever."""
        command = [
            str(TANDEM),
            "ingest",
            str(folder),
            "--shard",
            f"{index}/{SHARDS}",
            "--url",
            self.retriever.url,
            *more,
        ]
        running = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._env},
        )
        self._running.append(running)
        return running

    def ingest(self, folder: Path) -> dict[str, int]:
        """All shards side by side, to the end, as a Job does: one that fails is begun again. Their last reports together."""
        reports: dict[int, dict[str, int]] = {}
        told: dict[int, tuple[bytes, bytes]] = {}
        for _ in range(TRIES):
            running = {
                index: self.shard(index, folder, "-o", "json") for index in range(SHARDS) if index not in reports
            }
            told = {index: each.communicate(timeout=PATIENCE_S) for index, each in running.items()}
            reports |= {index: json.loads(told[index][0]) for index in told if running[index].returncode == 0}
        assert len(reports) == SHARDS, told
        return {
            name: sum(each[name] for each in reports.values()) for name in ("added", "updated", "unchanged", "failed")
        }

    def restart(self) -> None:
        """Kill the retriever, and start it again where everybody looks for it."""
        self.retriever.popen.kill()
        self.retriever.popen.wait()
        self.retriever = start("retriever", self.home, self._env, "--port", self._port)

    def close(self) -> None:
        """End everything."""
        for each in self._running:
            with contextlib.suppress(ProcessLookupError):
                each.kill()
            each.communicate()
        stop(self.retriever)

    def points(self) -> dict[str, Any]:
        """Every point with payload and vectors, once the retriever has ended; without the time when it was made."""
        (place,) = (self.home / "data/collections").glob("docs*/shard")
        shard = edge.EdgeShard.load(str(place))
        found, _ = shard.scroll(edge.ScrollRequest(limit=10_000, with_payload=True, with_vector=True))
        points = {str(point.id): (_timeless(point.payload or {}), _by_name(point.vector)) for point in found}
        shard.close()
        return points


def _by_name(vectors: object) -> list[tuple[str, str]]:
    """Their order depends on whether the point was replayed from the log."""
    assert isinstance(vectors, dict)
    return sorted((name, repr(vector)) for name, vector in vectors.items())


def _timeless(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "ingested_at"}


@contextlib.contextmanager
def house(home: Path, env: dict[str, str]) -> Iterator[House]:
    opened = House(home, env)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def clean(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, embedding: tuple[EmbeddingServer, dict[str, str]]
) -> dict[str, Any]:
    """What one run makes of the folder that nobody disturbs."""
    with house(tmp_path_factory.mktemp("clean"), embedding[1]) as one:
        told = one.ingest(folder)
        # Not even one of its shards had to be begun again.
        assert (told["added"], told["unchanged"], told["updated"], told["failed"]) == (DOCUMENTS, 0, 0, 0)
    points = one.points()
    assert len(points) > 3 * DOCUMENTS
    return points


def after_calls(server: EmbeddingServer, more: int) -> None:
    """Until the server was asked so many times more, or nobody has asked for two seconds."""
    begun, quiet_since = len(server.asked), time.monotonic()
    last = begun
    while len(server.asked) < begun + more and time.monotonic() < quiet_since + 2:
        if len(server.asked) != last:
            last, quiet_since = len(server.asked), time.monotonic()
        time.sleep(0.002)


def test_killed_at_random_and_completed_it_equals_a_clean_run(
    tmp_path: Path, folder: Path, clean: dict[str, Any], embedding: tuple[EmbeddingServer, dict[str, str]]
) -> None:
    server, env = embedding
    seed = int(os.environ.get("TANDEM_TEST_SEED", random.SystemRandom().randrange(1000)))
    print(f"TANDEM_TEST_SEED={seed}")
    chance = random.Random(seed)
    with house(tmp_path, env) as one:
        running = [one.shard(index, folder) for index in range(SHARDS)]
        for victim in chance.sample(range(SHARDS), SHARDS):
            after_calls(server, chance.randint(2, 8))
            time.sleep(chance.random() / 20)
            running[victim].kill()
            if victim == 0:
                one.restart()
        told = one.ingest(folder)
        assert told["failed"] == 0 and told["added"] + told["updated"] + told["unchanged"] == DOCUMENTS
        assert told["added"] > 0, "it was done before anything was killed"
    assert one.points() == clean


def test_a_killed_worker_is_completed_by_the_next(
    tmp_path: Path, folder: Path, clean: dict[str, Any], embedding: tuple[EmbeddingServer, dict[str, str]]
) -> None:
    server, env = embedding
    with house(tmp_path, env) as one:
        sources = [{"name": "pages", "place": str(folder), "every_s": 3600, "prune": True}]
        ours = {**env, "TANDEM_RETRIEVER__URL": one.retriever.url, "TANDEM_INGESTION__SOURCES": json.dumps(sources)}
        for calls in (6, 9):
            worker = start("worker", tmp_path / "worker", ours)
            after_calls(server, calls)
            worker.popen.kill()
            worker.popen.wait()
        worker = start("worker", tmp_path / "worker", ours)
        rounds = ended_rounds(worker)
        stop(worker)
        assert 'outcome="complete"' in rounds
        assert "Traceback" not in worker.log.read_text()
    assert one.points() == clean


def ended_rounds(worker: Process) -> str:
    """The metric of the rounds, once one has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{worker.url}/metrics", timeout=5) as reply:
            told = reply.read().decode()
        if found := [line for line in told.splitlines() if line.startswith("tandem_sync_rounds_total{")]:
            return "\n".join(found)
        time.sleep(0.05)
    raise AssertionError(worker.log.read_text())
