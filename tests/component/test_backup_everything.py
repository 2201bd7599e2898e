"""`tandem backup`, the data folder deleted, `tandem restore`: the same question has the same answer, and all else is there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import fsspec
import pytest

from component.deployments import TANDEM, start, stop
from component.test_backup import KEPT, NOTES, QUESTION, listed, read
from fakes.object_store import aws_variables, object_store

pytestmark = [pytest.mark.component, pytest.mark.timeout(480)]


def tandem(*words: str, **env: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([TANDEM, *words], check=False, capture_output=True, env={**os.environ, **env})


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    file = tmp_path / "apiary.md"
    file.write_text(NOTES)
    return file


def test_after_the_folder_is_gone_everything_is_there_again(tmp_path: Path, notes: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "whole.backup"
    server = start("all", tmp_path, KEPT, "--ingest", str(notes))
    try:
        answer = read("ask", QUESTION, "--url", server.url)
        receipt = listed(server, answer["receipt_id"])
        # The vectors are the process's own.
        busy = tandem("backup", str(file), "--data-dir", str(data))
        assert busy.returncode == 1 and b"Another process holds the vector store" in busy.stderr
        assert not file.exists()
    finally:
        stop(server)
    made = read("backup", str(file), "--data-dir", str(data))
    assert made["holds"]["collections"] == {"docs@1": 1} and made["holds"]["state"]["receipts"] == 1
    assert made["holds"]["files"]["user.key"] == 32
    assert file.stat().st_mode & 0o077 == 0
    assert read("restore", str(file), "--check")["holds"] == made["holds"]
    key = (data / "user.key").read_bytes()
    shutil.rmtree(data)
    assert read("restore", str(file), "--data-dir", str(data))["holds"] == made["holds"]
    assert (data / "user.key").read_bytes() == key
    server = start("all", tmp_path, KEPT)
    try:
        assert read("receipts", "show", receipt["id"], "--url", server.url) == receipt
        again = read("ask", QUESTION, "--url", server.url)
        assert (again["answer"], again["citations"]) == (answer["answer"], answer["citations"])
        assert again["citations"][0]["document_id"] == "apiary.md"
    finally:
        stop(server)
    # Nothing is lost by mistake.
    refused = tandem("restore", str(file), "--data-dir", str(data))
    assert (
        refused.returncode == 1 and b"There is something already" in refused.stderr and b"--replace" in refused.stderr
    )
    assert read("restore", str(file), "--replace", "--yes", "--data-dir", str(data))["holds"] == made["holds"]


def test_a_bucket_has_the_last_of_them_and_the_newest_comes_back(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, there = tmp_path / "data", "s3://vault/nightly/"
    assert tandem("ingest", str(notes), "--data-dir", str(data)).returncode == 0
    with object_store() as endpoint:
        for name, value in aws_variables(endpoint).items():
            monkeypatch.setenv(name, value)
        missing = tandem("backup", there, "--data-dir", str(data))
        assert (
            missing.returncode == 1
            and b"is not there" in missing.stderr
            and b"hint: Check the bucket" in missing.stderr
        )
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("vault")
        made = [read("backup", there, "--keep", "2", "--data-dir", str(data)) for _ in range(3)]
        files = [each["file"] for each in made]
        assert files == sorted(files) and all(re.fullmatch(rf"{there}tandem-\d+T\d+Z\.backup", each) for each in files)
        assert tandem("restore", files[0], "--check").returncode == 1
        assert read("restore", there, "--check") == made[-1]
        shutil.rmtree(data)
        assert read("restore", there, "--data-dir", str(data)) == made[-1]
        one = read("backup", "s3://vault/one.tar", "--data-dir", str(data))
        assert one["file"] == "s3://vault/one.tar" and one["holds"]["collections"] == {"docs@1": 1}
        wrong = tandem("backup", "s3://vault/one.tar", "--keep", "2", "--data-dir", str(data))
        assert wrong.returncode == 2 and b"give a folder" in wrong.stderr


def test_what_cannot_be_is_told_in_two_lines(tmp_path: Path, notes: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "whole.backup"
    assert tandem("ingest", str(notes), "--data-dir", str(data)).returncode == 0
    assert tandem("backup", str(file), "--data-dir", str(data)).returncode == 0
    (tmp_path / "other").write_text("no backup")
    (tmp_path / "cut").write_bytes(file.read_bytes()[:3_000])
    with Path("/dev/full").open("wb") as full:
        into_full = subprocess.run(
            [TANDEM, "backup", "-", "--data-dir", str(data)], check=False, stdout=full, stderr=subprocess.PIPE
        )
    refused = {
        b"No space is left": into_full,
        b"needs a package that is not there": tandem("backup", "gs://vault/", "--data-dir", str(data)),
        b"There is nothing to back up": tandem("backup", str(tmp_path / "x"), "--data-dir", str(tmp_path / "none")),
        b"a is not there": tandem("backup", str(tmp_path / "a" / "x"), "--data-dir", str(data)),
        b"no backup of Tandem": tandem("restore", str(tmp_path / "other"), "--data-dir", str(tmp_path / "none")),
        b"it is cut off": tandem("restore", str(tmp_path / "cut"), "--data-dir", str(tmp_path / "none")),
        b"missing is not there": tandem("restore", str(tmp_path / "missing"), "--data-dir", str(tmp_path / "none")),
        b"The retriever has the documents": tandem(
            "backup", str(tmp_path / "x"), "--data-dir", str(data), TANDEM_RETRIEVER__URL="http://127.0.0.1:9"
        ),
        b"has the vectors of": tandem(
            "restore", str(file), "--data-dir", str(tmp_path / "german"), TANDEM_EMBEDDER__SPARSE_LANGUAGE="german"
        ),
    }
    for part, done in refused.items():
        assert done.returncode == 1 and part in done.stderr, done.stderr
        assert done.stderr.count(b"\n") == 2 and b"hint:" in done.stderr, done.stderr
    # Nothing was made on the way.
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "whole.backup", "other", "cut", "apiary.md", "german"}
