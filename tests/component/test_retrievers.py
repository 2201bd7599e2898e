"""Retrieval as a tier of its own: several retrievers over one Qdrant server, a gateway that leaves all of it to them."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from component.deployments import Process, start, stop
from component.qdrant_server import free_port

pytestmark = pytest.mark.component
FAKE = Path(__file__).parents[1] / "fakes/qdrant_server.py"
HARBOUR = "The harbour opens at six in the morning and closes at ten in the evening."


@dataclass(frozen=True, slots=True)
class Tier:
    """Two retrievers, of which the gateway asks the first, and the store behind them."""

    gateway: Process
    first: Process
    second: Process
    store: "subprocess.Popen[bytes]"


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    folder, port = tmp_path_factory.mktemp("tier"), free_port()
    with ExitStack() as stack:

        def started(name: str, target: str, **env: str) -> Process:
            process = start(target, folder / name, {f"TANDEM_{key}": value for key, value in env.items()})
            stack.callback(stop, process)
            return process

        store = subprocess.Popen([sys.executable, FAKE, str(port)], stdin=subprocess.DEVNULL)
        stack.callback(_ended, store)
        _listening(port)
        over = {"VECTORS__URL": f"http://127.0.0.1:{port}", "VECTORS__TIMEOUT_S": "2"}
        first, second = (started(name, "retriever", **over) for name in ("first", "second"))
        predictor = started("predictor", "predictor")
        gateway = started("gateway", "gateway", RETRIEVER__URL=first.url, PREDICTOR__URL=predictor.url)
        yield Tier(gateway, first, second, store)


def _listening(port: int) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/collections"):
            return
        time.sleep(0.1)
    pytest.fail("the store does not listen")


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(10)


def _asked(url: str, path: str, body: Any = None, method: str = "POST") -> tuple[int, Any]:
    wanted = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), method=method)
    wanted.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(wanted, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _requests(process: Process, route: str) -> float:
    """How often that process was asked there, by its own count."""
    with urllib.request.urlopen(f"{process.url}/metrics", timeout=10) as reply:
        rows = reply.read().decode().splitlines()
    return sum(
        float(row.rpartition(" ")[2])
        for row in rows
        if row.startswith("tandem_requests_total{") and f'route="{route}"' in row
    )


def test_what_one_retriever_is_given_the_others_find(tier: Tier) -> None:
    put = {"documents": [{"id": "harbour.md", "text": HARBOUR}]}
    status, told = _asked(tier.gateway.url, "/v1/documents", put, "PUT")
    assert status == 200, told
    for retriever in (tier.first, tier.second):
        status, found = _asked(retriever.url, "/v1/retrieve", {"query": "When does the harbour open?"})
        assert status == 200 and found["passages"][0]["document_id"] == "harbour.md", found


def test_an_answer_cites_what_the_retriever_found_and_each_tier_counts_its_own(tier: Tier) -> None:
    before = _requests(tier.first, "/v1/retrieve"), _requests(tier.second, "/v1/retrieve")
    body = {"model": "tandem", "messages": [{"role": "user", "content": "When does the harbour open?"}]}
    status, told = _asked(tier.gateway.url, "/v1/chat/completions", body)
    assert status == 200 and told["tandem"]["citations"][0]["document_id"] == "harbour.md", told
    after = _requests(tier.first, "/v1/retrieve"), _requests(tier.second, "/v1/retrieve")
    # What scales retrievers: nobody else's requests are among them, nor theirs among the gateway's.
    assert after == (before[0] + 1, before[1])
    assert _requests(tier.gateway, "/v1/retrieve") == 0
    assert _requests(tier.first, "/v1/chat/completions") == 0


def test_a_store_that_says_nothing_is_told_in_time_and_found_again(tier: Tier) -> None:
    body = {"model": "tandem", "messages": [{"role": "user", "content": "When does the harbour close?"}]}
    tier.store.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        status, told = _asked(tier.gateway.url, "/v1/chat/completions", body)
        assert status == 503 and told["error"]["code"] == "upstream_unavailable", told
        assert time.monotonic() - began < 20
    finally:
        tier.store.send_signal(signal.SIGCONT)
    status, told = _asked(tier.gateway.url, "/v1/chat/completions", body)
    assert status == 200 and told["tandem"]["citations"], told
