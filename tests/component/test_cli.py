"""The command line as a user types it: real processes, a real server, exit codes and one-line errors."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.deployments import TANDEM, Process, start, stop

pytestmark = pytest.mark.timeout(180)

NOTES = "# Apiary\n\nThe hives of Morrow Hill are opened every ninth day from May to August.\n"
QUESTION = "How often are the hives of Morrow Hill opened?"
KEY = "a-long-random-key"


def tandem(*arguments: str, cwd: Path | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TANDEM, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def complaint(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines on stderr; never a stack trace."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    (folder / "apiary.md").write_text(NOTES)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, notes: Path) -> Iterator[Process]:
    running = start("all", tmp_path_factory.mktemp("all"), {}, "--ingest", str(notes))
    yield running
    stop(running)


def data_dir(server: Process) -> str:
    return str(server.log.parent / "data")


def test_the_start_says_where_the_page_is_and_what_to_type(server: Process) -> None:
    told = server.log.read_text()
    assert f"page   {server.url}" in told
    assert f"curl -s {server.url}/v1/chat/completions" in told
    assert "documents: added 1 (1 chunks)" in told
    assert "\x1b[" not in told


def test_ask_streams_the_answer_and_prints_its_sources(server: Process) -> None:
    done = tandem("ask", QUESTION, "--url", server.url)
    assert done.returncode == 0, done.stderr
    assert "every ninth day" in done.stdout
    assert "[1] " in done.stdout and "apiary.md" in done.stdout
    assert "extractive" in done.stderr


def test_ask_as_json(server: Process) -> None:
    answer = json.loads(tandem("ask", QUESTION, "--url", server.url, "-o", "json").stdout)
    assert answer["outcome"] == "answered"
    assert answer["citations"][0]["document_id"].endswith("apiary.md")
    assert answer["usage"]["completion_tokens"] > 0


def test_commands_find_the_process_that_serves_the_store(server: Process, tmp_path: Path) -> None:
    (tmp_path / "weir.txt").write_text("The weir keeper lowers the boards when the gauge reads two metres.")
    done = tandem("ingest", str(tmp_path / "weir.txt"), "--data-dir", data_dir(server))
    assert done.returncode == 0, done.stderr
    assert f"is served by {server.url}; going through it" in " ".join(complaint(done))
    assert "added 1" in done.stdout
    found = json.loads(tandem("search", "weir keeper boards", "--data-dir", data_dir(server), "-o", "json").stdout)
    assert found["passages"][0]["document_id"] == "weir.txt"
    listed = json.loads(tandem("collections", "list", "--url", server.url, "-o", "json").stdout)
    assert [each["name"] for each in listed["data"]] == ["docs"]
    shown = tandem("collections", "show", "docs", "--url", server.url)
    assert "weir.txt" in shown.stdout


def test_health_tells_by_its_exit_code(server: Process) -> None:
    assert tandem("health", "--url", server.url).returncode == 0
    gone = tandem("health", "--url", "http://127.0.0.1:9", "-o", "json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout)["ready"] is False


def test_a_second_process_may_not_open_the_store(server: Process) -> None:
    done = tandem("serve", "--target", "retriever", "--port", "0", "--data-dir", data_dir(server))
    assert done.returncode == 1
    error, hint = complaint(done)[-2:]
    assert error.startswith("error: Another process holds the vector store")
    assert "--url" in hint


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = tandem("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "is already in use" in complaint(done)[0]


@pytest.mark.parametrize(
    ("arguments", "env", "told"),
    [
        (("serve", "--host", "0.0.0.0", "--port", "0"), {}, "Refusing to listen on 0.0.0.0 without keys"),
        (("serve", "--target", "gateway", "--port", "0"), {}, "A gateway needs a predictor"),
        (("serve", "--model", "nowhere.gguf", "--port", "0"), {}, "There is no model 'nowhere.gguf'"),
        (("serve", "--port", "0"), {"TANDEM_RETRIEVAL__TOP_K": "many"}, "retrieval.top_k"),
        (("serve", "--port", "0", "--config", "nowhere.yaml"), {}, "No configuration file at nowhere.yaml"),
        (("ingest", "nowhere"), {}, "there is no such file or folder"),
        (("ask", "anything", "--url", "http://127.0.0.1:9"), {}, "No Tandem answers at http://127.0.0.1:9"),
        (("eval", "nowhere"), {}, "cannot be read"),
    ],
)
def test_what_cannot_work_is_said_in_a_line(
    arguments: tuple[str, ...], env: dict[str, str], told: str, tmp_path: Path
) -> None:
    done = tandem(*arguments, cwd=tmp_path, **env)
    assert done.returncode == 1, done.stdout
    assert told in complaint(done)[0]


def test_a_part_that_cannot_be_opened_is_said_last(tmp_path: Path) -> None:
    done = tandem("serve", "--port", "0", "--data-dir", str(tmp_path), TANDEM_BATCHES__RUN="job")
    assert done.returncode == 1
    error, hint = complaint(done)[-2:]
    assert error.startswith("error: The Job for batches cannot be read")
    assert "set batches.run to here" in hint


def test_wrong_usage_has_a_code_of_its_own() -> None:
    assert tandem("serve", "--target", "everything").returncode == 2
    assert tandem("bogus").returncode == 2


def test_an_unknown_key_of_the_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "tandem.yaml").write_text("retrieval:\n  topk: 3\n")
    done = tandem("config", "check", "--config", str(tmp_path / "tandem.yaml"))
    assert done.returncode == 1
    assert "retrieval.topk" in complaint(done)[0]


def test_secrets_are_masked() -> None:
    done = tandem("config", "show", TANDEM_VECTORS__API_KEY="very-secret")
    assert "very-secret" not in done.stdout
    assert "***" in done.stdout


def test_with_keys_only_their_owners_get_in(tmp_path: Path, notes: Path) -> None:
    digest = tandem("config", "hash-key", "--key", KEY).stdout.strip()
    keys = json.dumps([{"name": "me", "sha256": digest, "tenant": "default"}])
    running = start(
        "all",
        tmp_path,
        {"TANDEM_AUTH__MODE": "keys", "TANDEM_AUTH__KEYS": keys},
        "--host",
        "0.0.0.0",
        "--ingest",
        str(notes),
    )
    try:
        refused = tandem("ask", QUESTION, "--url", running.url)
        assert refused.returncode == 1
        assert "API key" in complaint(refused)[0]
        assert "every ninth day" in tandem("ask", QUESTION, "--url", running.url, "--api-key", KEY).stdout
    finally:
        stop(running)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    running = start("all", tmp_path, {})
    running.popen.send_signal(signal.SIGINT)
    assert running.wait(30) == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()
    assert not (tmp_path / "data" / "serving-all.json").exists()
