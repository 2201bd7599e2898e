"""A whole process that keeps its receipts in PostgreSQL: refused while that is behind, and unhurt while it is away."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from component.deployments import TANDEM, Process, start, stop
from fakes.postgres_server import PostgresServer, postgres_server

pytestmark = [pytest.mark.component, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def ask(process: Process) -> str:
    body = {"model": "tandem", "messages": [{"role": "user", "content": "When does the harbour open?"}]}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{process.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(json.load(reply)["tandem"]["receipt_id"])


def get(process: Process, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{process.url}{path}", timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def until_listed(process: Process, *names: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        status, page = get(process, "/v1/receipts?limit=200")
        if status == 200 and set(names) <= {line["id"] for line in page["data"]}:
            return
        assert time.monotonic() < deadline, page
        time.sleep(0.1)


def test_refused_while_behind_and_unhurt_while_away(postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "harbour.md").write_text("The harbour office opens at seven in the morning.")
    env = {
        "TANDEM_STATE__URL": postgres.url,
        "TANDEM_STATE__CONNECT_TIMEOUT_S": "2",
        "TANDEM_MONITOR__LONGEST_RETRY_S": "0.5",
        "TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true",
    }
    with pytest.raises(RuntimeError, match="tandem db upgrade") as refused:
        start("all", tmp_path, env)
    assert "Traceback" not in str(refused.value)
    subprocess.run([TANDEM, "db", "upgrade"], env=env, check=True, capture_output=True, timeout=60)
    process = start("all", tmp_path, env, "--ingest", str(tmp_path / "harbour.md"))
    try:
        before = ask(process)
        until_listed(process, before)
        postgres.stop()
        # Answers go on; a receipt of before cannot be had now, the one of now can.
        during = ask(process)
        assert get(process, f"/v1/receipts/{during}")[0] == 200
        status, told = get(process, f"/v1/receipts/{before}")
        assert (status, told["error"]["code"]) == (503, "upstream_unavailable")
        postgres.start()
        until_listed(process, before, during)
        assert get(process, f"/v1/receipts/{before}")[1]["question"]["text"] == "When does the harbour open?"
    finally:
        stop(process)
    assert not (tmp_path / "data" / "state.db").exists()
