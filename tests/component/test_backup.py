"""`tandem db backup` beside a process that serves, and `tandem db restore` after everything was lost."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from component.deployments import TANDEM, Process, start, stop

pytestmark = [pytest.mark.component, pytest.mark.timeout(240)]

NOTES = "# Apiary\n\nThe hives of Morrow Hill are opened every ninth day from May to August.\n"
QUESTION = "How often are the hives of Morrow Hill opened?"
KEPT = {"TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true"}


def tandem(*words: str, told: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([TANDEM, *words], check=False, capture_output=True, input=told, env=dict(os.environ))


def read(*words: str) -> Any:
    done = tandem(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(server: Process, name: str) -> Any:
    """The receipt, as soon as it is stored."""
    deadline = time.monotonic() + 20
    while name not in [line["id"] for line in read("receipts", "list", "--url", server.url)["data"]]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return read("receipts", "show", name, "--url", server.url)


def serving(folder: Path, *flags: str) -> Process:
    return start("all", folder, KEPT, *flags)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    file = tmp_path / "apiary.md"
    file.write_text(NOTES)
    return file


def test_receipts_and_jobs_are_there_again_after_the_data_is_gone(tmp_path: Path, notes: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "state.backup"
    server = serving(tmp_path, "--ingest", str(notes))
    try:
        answer = read("ask", QUESTION, "--url", server.url)
        receipt = listed(server, answer["receipt_id"])
        done = read("jobs", "submit", QUESTION, "--wait", "--url", server.url)
        listed(server, done["receipt_id"])
        made = read("db", "backup", str(file), "--data-dir", str(data))
        assert made["rows"]["receipts"] == 2 and made["rows"]["jobs"] == 1
        # Whole, through a pipe as well, and for nobody else.
        piped = tandem("db", "backup", "-", "--data-dir", str(data))
        assert piped.returncode == 0 and b"Backed up" in piped.stderr
        assert read("db", "restore", str(file), "--check")["rows"] == made["rows"]
        assert file.stat().st_mode & 0o077 == 0
    finally:
        stop(server)
    shutil.rmtree(data)
    assert tandem("db", "restore", "-", "--data-dir", str(data), told=piped.stdout).returncode == 0
    again = tandem("db", "restore", str(file), "--data-dir", str(data))
    assert again.returncode == 1 and b"--replace" in again.stderr
    assert tandem("db", "restore", str(file), "--replace", "--data-dir", str(data), told=b"n\n").returncode == 1
    assert read("db", "restore", str(file), "--replace", "--yes", "--data-dir", str(data))["rows"] == made["rows"]
    server = serving(tmp_path, "--ingest", str(notes))
    try:
        assert read("receipts", "show", receipt["id"], "--url", server.url) == receipt
        assert read("jobs", "get", done["id"], "--url", server.url) == done
    finally:
        stop(server)


def test_what_cannot_be_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "other.gz").write_text("no backup")
    with Path("/dev/full").open("wb") as full:
        into_full = subprocess.run(
            [TANDEM, "db", "backup", "-", "--data-dir", _empty(tmp_path / "data")],
            check=False, stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    refused = {
        b"No space is left": into_full,
        b"There is no state store": tandem("db", "backup", str(tmp_path / "x"), "--data-dir", str(tmp_path / "none")),
        b"a is not there": tandem("db", "backup", str(tmp_path / "a" / "x"), "--data-dir", str(tmp_path / "data")),
        b"no backup": tandem("db", "restore", str(tmp_path / "other.gz"), "--data-dir", str(tmp_path / "none")),
    }
    for part, done in refused.items():
        assert done.returncode == 1 and part in done.stderr, done.stderr
        assert done.stderr.count(b"\n") == 2 and b"hint:" in done.stderr, done.stderr
    # Nothing was made on the way.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "other.gz"]


def _empty(data: Path) -> str:
    assert tandem("db", "upgrade", "--data-dir", str(data)).returncode == 0
    return str(data)
