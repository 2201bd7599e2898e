"""`tandem feedback` and `tandem privacy` over stores on this disk, and over a running Tandem."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fakes.api import Api
from fakes.live import live
from fakes.records import answer_record
from tandem.adapters.state.feedback import StoredFeedback
from tandem.adapters.state.receipts import StoredReceipts
from tandem.adapters.state.sqlite import sqlite_database
from tandem.cli.main import app
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord

RECORDS = [
    answer_record("rcpt-1", tenant="default", user="ann", began_at=1_000.0),
    answer_record("rcpt-2", tenant="default", user="bob", began_at=2_000.0, question="Who keeps the harbour?"),
    answer_record("rcpt-3", tenant="acme", user="ann", began_at=3_000.0),
]
SAID = [
    Feedback("default", "rcpt-1", 1.0, 1_100.0, "page", "ann"),
    Feedback("default", "rcpt-2", -1.0, 2_100.0, "page", "bob", ("wrong",), "A berth costs fourteen crowns a night."),
    Feedback("acme", "rcpt-3", 1.0, 3_100.0, "page", "ann"),
]
UNTIL = ("--until", "2030-01-01")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


async def fill(folder: Path, records: list[AnswerRecord], said: list[Feedback]) -> None:
    async with sqlite_database(folder / "state.db") as database:
        await StoredReceipts(database).keep(records)
        for each in said:
            await StoredFeedback(database).give(each)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "data", RECORDS, SAID))
    return tmp_path / "data"


def test_feedback_is_listed(data: Path) -> None:
    told = run("feedback", "list", "--data-dir", data, "-o", "json")
    assert told.exit_code == 0
    assert [(each["receipt_id"], each["rating"]) for each in json.loads(told.stdout)["data"]] == [
        ("rcpt-1", 1.0),
        ("rcpt-2", -1.0),
    ]
    assert "rcpt-2" in run("feedback", "list", "--data-dir", data, "--rating", "down", "--label", "wrong").stdout
    assert json.loads(run("feedback", "list", "--data-dir", data, "--tenant", "acme", "-o", "json").stdout)["data"]
    assert run("feedback", "list", "--data-dir", data, "--rating", "best").exit_code == 2
    assert run("feedback", "list", "--data-dir", data, "--since", "soon").exit_code == 2


def test_a_data_set_is_made_once_and_again_when_there_is_something_new(data: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    made = run("feedback", "export", "berths", sets, "--data-dir", data, *UNTIL, "-o", "json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["dataset"], told["new"], told["examples"]) == ("berths@1", True, 2)
    assert told["lines"]["golden/golden.jsonl"] == 2
    assert b"rcpt-3" not in b"".join(file.read_bytes() for file in sets.rglob("*") if file.is_file())
    # In another folder: the same bytes.
    run("feedback", "export", "berths", tmp_path / "again", "--data-dir", data, *UNTIL)
    for file in (sets / "berths@1").rglob("*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "again" / file.relative_to(sets)).read_bytes()

    again = run("feedback", "export", "berths", sets, "--data-dir", data, *UNTIL, "-o", "json")
    assert json.loads(again.stdout)["new"] is False
    asyncio.run(fill(data, [], [replace(SAID[0], rating=-1.0)]))
    third = run("feedback", "export", "berths", sets, "--data-dir", data, *UNTIL, "-o", "json")
    assert json.loads(third.stdout)["dataset"] == "berths@2"
    assert sorted(path.name for path in sets.iterdir()) == ["berths@1", "berths@2"]


def test_an_exported_set_can_be_evaluated(data: Path, tmp_path: Path) -> None:
    run("feedback", "export", "berths", tmp_path, "--data-dir", data, *UNTIL)
    graded = run("eval", tmp_path / "berths@1", "-o", "json")
    assert graded.exit_code == 0, graded.output
    assert json.loads(graded.stdout)["stages"]["fused"]["recall@10"] == 1.0


def test_a_running_tandem_gives_the_same_set(data: Path, tmp_path: Path) -> None:
    run("feedback", "export", "berths", tmp_path / "own", "--data-dir", data, *UNTIL)
    api = Api()
    api.receipts.records = {(each.asker.tenant, each.id): each for each in RECORDS}  # type: ignore[attr-defined]
    api.feedback.kept = {(each.tenant, each.receipt_id, each.caller, each.user or ""): each for each in SAID}

    async def served() -> tuple[Result, Result, Result]:
        async with live(api.app) as url:
            return (
                await asyncio.to_thread(run, "feedback", "export", "berths", tmp_path / "theirs", "--url", url, *UNTIL),
                await asyncio.to_thread(run, "privacy", "export", "--user", "ann", "--url", url),
                await asyncio.to_thread(run, "privacy", "delete", "--user", "ann", "--yes", "--url", url, "-o", "json"),
            )

    exported, handed, deleted = asyncio.run(served())
    assert exported.exit_code == 0, exported.output
    for file in (tmp_path / "own").rglob("*.json*"):
        assert file.read_bytes() == (tmp_path / "theirs" / file.relative_to(tmp_path / "own")).read_bytes(), file
    assert [json.loads(line)["kind"] for line in handed.stdout.splitlines()] == ["receipt", "feedback"]
    assert json.loads(deleted.stdout)["deleted"] == {"receipts": 1, "feedback": 1}


def test_a_user_is_handed_out_and_deleted(data: Path) -> None:
    handed = run("privacy", "export", "--user", "ann", "--data-dir", data)
    assert [json.loads(line)["kind"] for line in handed.stdout.splitlines()] == ["receipt", "feedback"]
    assert "1 receipt, 1 feedback" in handed.stderr
    assert run("privacy", "delete", "--user", "ann", "--data-dir", data).exit_code == 1, "nobody said yes"
    done = run("privacy", "delete", "--user", "ann", "--data-dir", data, "--yes", "-o", "json")
    assert json.loads(done.stdout)["deleted"] == {"receipts": 1, "feedback": 1, "refused": 0}
    assert run("privacy", "export", "--user", "ann", "--data-dir", data).stdout == ""
    assert (
        len(run("privacy", "export", "--user", "ann", "--data-dir", data, "--tenant", "acme").stdout.splitlines()) == 2
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("feedback", "list", "--data-dir", "/nowhere/at/all"),
        ("privacy", "export", "--user", "ann", "--data-dir", "/nowhere/at/all"),
        ("feedback", "list", "--url", "http://127.0.0.1:9", "--tenant", "acme"),
        ("privacy", "delete", "--user", "ann", "--yes", "--url", "http://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert type(done.exception).__name__ in {"InvalidRequest", "UpstreamUnavailable"}


@pytest.mark.parametrize("name", ["Berths", "../berths", "a b", ""])
def test_a_name_is_no_path(name: str, data: Path, tmp_path: Path) -> None:
    assert run("feedback", "export", name, tmp_path / "sets", "--data-dir", data).exit_code == 2
    assert not (tmp_path / "sets").exists()


def test_a_folder_that_cannot_be_written_is_told(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("feedback", "export", "berths", tmp_path / "file" / "sets", "--data-dir", data)
    assert done.exit_code == 1
    assert "cannot be written" in str(done.exception)
