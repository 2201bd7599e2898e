"""`tandem receipts` and `tandem db` as a user types them."""

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from component.deployments import Process, start, stop
from tandem.cli.main import main

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

NOTES = "# Apiary\n\nThe hives of Morrow Hill are opened every ninth day from May to August.\n"
QUESTION = "How often are the hives of Morrow Hill opened?"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def tandem(*words: str, **env: str) -> Done:
    """The command in this process: starting one costs more than all that it does."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["tandem", *words])
        for name, value in env.items():
            patch.setenv(name, value)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("receipts")
    (folder / "apiary.md").write_text(NOTES)
    kept = {"TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true"}
    running = start("all", folder, kept, "--ingest", str(folder / "apiary.md"))
    yield running
    stop(running)


@pytest.fixture(scope="module")
def data_dir(server: Process) -> str:
    return str(server.log.parent / "data")


def ask(server: Process, question: str = QUESTION) -> str:
    answer = json.loads(tandem("ask", question, "--url", server.url, "-o", "json").stdout)
    return str(answer["receipt_id"])


def read(*words: str) -> Any:
    done = tandem(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until_listed(server: Process, name: str) -> None:
    """A list is of what is stored; that takes a moment."""
    deadline = time.monotonic() + 20
    while name not in [line["id"] for line in read("receipts", "list", "--url", server.url, "--since", "10m")["data"]]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_receipts_are_listed_and_shown_through_a_server_and_from_its_files(server: Process, data_dir: str) -> None:
    name = ask(server)
    there = read("receipts", "show", name, "--url", server.url)
    assert there["question"]["text"] == QUESTION and "ninth day" in there["answer"]["text"]
    until_listed(server, name)
    assert read("receipts", "show", name, "--data-dir", data_dir) == there
    assert read("receipts", "list", "--data-dir", data_dir, "-n", "1", "--outcome", "failed")["data"] == []
    assert read("receipts", "list", "--data-dir", data_dir, "--tenant", "north")["data"] == []
    shown = tandem("receipts", "show", name, "--data-dir", data_dir).stdout
    for part in (name, QUESTION, "docs@1", "answer@1", "extractive", "apiary.md#0", "retrieval"):
        assert part in shown
    listed = tandem("receipts", "list", "--data-dir", data_dir).stdout
    assert name in listed and QUESTION in listed


def test_two_receipts_are_compared(server: Process, data_dir: str) -> None:
    one, other = ask(server), ask(server, "When are the hives opened?")
    diff = read("receipts", "diff", one, other, "--url", server.url)
    assert (diff["before"], diff["after"]) == (one, other)
    assert {piece[0] for piece in diff["question"]} == {"same", "gone", "new"}
    assert [each["change"] for each in diff["passages"]] == ["kept"]
    told = tandem("receipts", "diff", one, other, "--url", server.url)
    assert told.returncode == 0 and "apiary.md#0" in told.stdout
    assert tandem("receipts", "diff", one, one, "--url", server.url, "--exit-code").returncode == 0


def test_a_question_is_asked_again_and_compared(server: Process, data_dir: str) -> None:
    name = ask(server)
    again = tandem("receipts", "replay", name, "--data-dir", data_dir, "--exit-code")
    assert again.returncode == 0, again.stderr
    assert "The same." in again.stdout
    (Path(server.log).parent / "more.md").write_text(
        "# Bees\n\nThe hives of Morrow Hill are opened by Ann every ninth day.\n"
    )
    added = tandem("ingest", str(server.log.parent / "more.md"), "--url", server.url)
    assert added.returncode == 0, added.stderr
    differs = tandem("receipts", "replay", name, "--url", server.url, "--current", "--exit-code", "-o", "json")
    assert differs.returncode == 1
    diff = json.loads(differs.stdout)
    assert not diff["same"]
    assert ("more.md#0", "new") in [(each["chunk_id"], each["change"]) for each in diff["passages"]]
    assert diff["after"] != name


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("replay", "--collection", "docs@9"), "docs@9"),
        (("replay", "--prompt", "answer@99"), "answer@99"),
        (("replay", "--model", "gpt-7"), "gpt-7"),
    ],
)
def test_versions_that_are_not_there_are_told(server: Process, words: tuple[str, ...], told: str) -> None:
    done = tandem("receipts", words[0], ask(server), *words[1:], "--url", server.url)
    assert done.returncode == 1
    assert told in done.stderr and len(done.stderr.strip().splitlines()) <= 3


def test_what_cannot_be_is_told_in_a_line(server: Process, data_dir: str, tmp_path: Path) -> None:
    for words, code, told in (
        (("receipts", "show", "rcpt-0", "--url", server.url), 1, "There is no such receipt"),
        (("receipts", "show", "rcpt-0", "--data-dir", data_dir), 1, "There is no such receipt"),
        (("receipts", "show", "a/../b", "--url", server.url), 1, "error:"),
        (("receipts", "list", "--data-dir", str(tmp_path)), 1, "There are no receipts"),
        (("receipts", "list", "--url", "http://127.0.0.1:1"), 1, "No Tandem answers"),
        (("receipts", "list", "--outcome", "lost", "--url", server.url), 1, "outcome"),
        (("receipts", "list", "--since", "yesterday"), 2, "--since"),
        (("receipts", "diff", "rcpt-0"), 2, "Missing argument"),
    ):
        done = tandem(*words)
        assert (done.returncode, told in done.stderr) == (code, True), (words, done.stderr)
    assert not (tmp_path / "state.db").exists()


def test_the_schema_goes_forward_and_back(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    before = tandem("db", "status", *where, "-o", "json")
    assert before.returncode == 1 and json.loads(before.stdout)["current"] is None
    assert "Upgraded from nothing" in tandem("db", "upgrade", *where).stdout
    assert "already" in tandem("db", "upgrade", *where).stdout
    assert tandem("db", "status", *where).returncode == 0
    assert tandem("db", "downgrade", "0001", "--yes", *where).returncode == 0
    status = tandem("db", "status", *where)
    assert status.returncode == 1 and "tandem db upgrade" in status.stdout
    assert tandem("db", "downgrade", "9999", "--yes", *where).returncode == 1
    assert tandem("db", "downgrade", "base", "--yes", *where).returncode == 0
    # Whoever opens the file next brings it there.
    assert tandem("receipts", "list", *where).returncode == 0
    assert tandem("db", "status", *where).returncode == 0


def test_where_a_peer_or_a_wrong_url_has_it_the_commands_say_so() -> None:
    peer = tandem("db", "upgrade", TANDEM_RETRIEVER__URL="http://127.0.0.1:1")
    assert peer.returncode == 1 and "where the retriever runs" in peer.stderr
    wrong = tandem("db", "status", TANDEM_STATE__URL="mysql://user:s3cret-word@host/db")
    assert wrong.returncode == 1 and "postgresql://" in wrong.stderr and "s3cret-word" not in wrong.stderr
    away = tandem("db", "status", TANDEM_STATE__URL="postgresql://user:s3cret-word@127.0.0.1:1/db")
    assert away.returncode == 1 and "127.0.0.1:1/db" in away.stderr and "s3cret-word" not in away.stderr
