"""`tandem spool`: what people see of a spool, also of one that is written to."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fakes.records import answer_record
from fakes.spools import Made, SpoolCounts, spooled_at
from tandem.cli.main import app
from tandem.domain.errors import ConfigurationError

RUN = CliRunner()


async def filled(folder: Path) -> None:
    async with spooled_at(folder, ["first", "second"], SpoolCounts()) as (monitor, shelf):
        for n in range(3):
            monitor.take(Made(answer_record(f"rcpt-{n}")))
        assert await monitor.flush(10)
        batch = await shelf.read("first", most=2)
        await shelf.refuse("first", batch.records[0], "its title is too long")
        await shelf.shipped("first", batch.upto)
        (folder / "quarantine").mkdir()
        (folder / "quarantine" / "0-0.damaged").write_text("?")


async def test_it_tells_what_waits_for_whom_and_what_was_put_aside(tmp_path: Path) -> None:
    await filled(tmp_path / "monitor")
    told = RUN.invoke(app, ["spool", "show", "--data-dir", str(tmp_path), "-o", "json"])
    assert told.exit_code == 0, told.output
    state = json.loads(told.output)
    assert state["sinks"] == [
        {"sink": "first", "waiting": 1, "refused": 1},
        {"sink": "second", "waiting": 3, "refused": 0},
    ]
    assert (state["segments"], state["next_number"], state["quarantined"]) == (1, 3, 1)
    shown = RUN.invoke(app, ["spool", "show", "--data-dir", str(tmp_path)])
    assert "second" in shown.output


async def test_what_a_sink_refused_is_shown_with_the_reason(tmp_path: Path) -> None:
    await filled(tmp_path / "monitor")
    # The process died while it wrote the next one.
    with (tmp_path / "monitor" / "refused" / "first.jsonl").open("a") as file:
        file.write('{"refused_at": 1')
    shown = RUN.invoke(app, ["spool", "refused", "--data-dir", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "rcpt-0" in shown.output and "its title is too long" in shown.output
    told = RUN.invoke(app, ["spool", "refused", "--sink", "first", "--data-dir", str(tmp_path), "-o", "json"])
    assert [json.loads(line)["record"]["id"] for line in told.output.splitlines()] == ["rcpt-0"]
    assert not RUN.invoke(
        app, ["spool", "refused", "--sink", "second", "--data-dir", str(tmp_path), "-o", "json"]
    ).output


def test_where_there_is_none_it_says_so(tmp_path: Path) -> None:
    told = RUN.invoke(app, ["spool", "show", "--data-dir", str(tmp_path)])
    assert isinstance(told.exception, ConfigurationError)
    assert told.exception.hint is not None


@pytest.mark.parametrize("name", ["../up", "a/b"])
def test_a_sink_is_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "monitor").mkdir()
    told = RUN.invoke(app, ["spool", "refused", "--sink", name, "--data-dir", str(tmp_path), "-o", "json"])
    assert (told.exit_code, told.output) == (0, "")
