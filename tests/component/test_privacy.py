"""On the disk of a real process: nothing that was said, unless it is to be kept; and nothing of whom is forgotten."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from component.deployments import Process, start, stop

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

GUIDE = "# Guide\n\nA berth for a boat of up to eight metres costs fourteen crowns a night.\n"
QUESTION = "What does a berth for a quokka cost? Write to quokka@example.org"
CANARY = b"quokka"


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            told: dict[str, Any] = json.load(reply)
    except urllib.error.HTTPError as error:
        told = json.load(error)
    return told


def ask(url: str, **more: Any) -> str:
    body = {"messages": [{"role": "user", "content": QUESTION}], "user": "quokka-7", **more}
    told = post(url, "/v1/chat/completions", body)
    return str(told.get("tandem", {}).get("receipt_id", ""))


@contextmanager
def serving(folder: Path, *, capture: bool) -> Iterator[Process]:
    guide = folder / "guide.md"
    folder.mkdir(parents=True, exist_ok=True)
    guide.write_text(GUIDE)
    env = {
        "TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": str(capture).lower(),
        "TANDEM_MONITOR__PARQUET__URL": str(folder / "parquet"),
        "TANDEM_MONITOR__PARQUET__INTERVAL_S": "0.1",
        "TANDEM_MONITOR__STDOUT__ENABLED": "true",
    }
    process = start("all", folder, env, "--ingest", str(guide))
    try:
        yield process
    finally:
        stop(process)


def holding(folder: Path, word: bytes) -> list[str]:
    """Files with this in them. The guide's own store is looked at, too: nothing of a question belongs there."""
    return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and word in file.read_bytes()]


def test_nothing_that_was_said_reaches_the_disk_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    with serving(tmp_path, capture=False) as process:
        receipt = ask(process.url)
        ask(process.url, stop=["quokka"])
        ask(process.url, prompt="quokka", model="quokka")
        ask(process.url, tandem={"filters": {"author": "quokka"}})
        given = post(
            process.url,
            "/v1/feedback",
            {"receipt_id": receipt, "rating": "up", "comment": "quokka!", "corrected_answer": "Ask quokka."},
        )
        assert given["left_out"] is True
        assert holding(tmp_path, CANARY) == []
    assert holding(tmp_path, CANARY) == []
    # It is there that they would be.
    assert list((tmp_path / "parquet").rglob("*.parquet"))
    assert (tmp_path / "data" / "state.db").stat().st_size > 0


def test_kept_texts_are_clean_and_go_with_their_user(tmp_path: Path) -> None:
    with serving(tmp_path, capture=True) as process:
        receipt = ask(process.url)
        post(process.url, "/v1/feedback", {"receipt_id": receipt, "rating": "up", "comment": "For quokka@example.org"})
    assert any("state.db" in file for file in holding(tmp_path, CANARY))
    assert holding(tmp_path, b"quokka@example.org") == []

    # Standard output is the collector's own; here it is the log.
    (tmp_path / "all.log").unlink()
    with serving(tmp_path, capture=True) as process:
        done = post(process.url, "/v1/privacy/delete", {"user": "quokka-7"})
        assert done["deleted"] == {"receipts": 1, "feedback": 1, "parquet": 1, "refused": 0}
        assert done["elsewhere"] == ["stdout"]
        assert post(process.url, "/v1/privacy/delete", {"user": "quokka-7"})["deleted"]["receipts"] == 0
    # The note of who was deleted names whom, so that nothing of the user can arrive.
    left = [file for file in holding(tmp_path, CANARY) if b"berth for a quokka" in (tmp_path / file).read_bytes()]
    assert left == []
    assert holding(tmp_path, b"For [email]") == []
