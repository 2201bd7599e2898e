"""What lies beside the spool, and must not stay there."""

import os
from pathlib import Path

import orjson

from fakes.records import answer_record
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.spool.forgetting import SpoolLeftovers
from tandem.adapters.spool.refused import Refused
from tandem.adapters.spool.segments import Segments

DAY_S = 86_400.0


def ids(file: Path) -> list[str]:
    return [orjson.loads(line)["record"]["id"] for line in file.read_bytes().splitlines()]


async def test_refused_records_of_the_forgotten_go_and_others_stay(tmp_path: Path) -> None:
    clock = ScriptedClock()
    refused = Refused(tmp_path / "refused", clock)
    for number, user in enumerate(["ann", "bob", "ann"]):
        refused.add("otlp", answer_record(f"rcpt-{number}", user=user), "too large")
    refused.add("parquet", answer_record("rcpt-9", user="bob"), "no column")
    left = SpoolLeftovers(tmp_path, clock)
    assert await left.forget(lambda record: record.asker.user == "ann") == 2
    assert ids(tmp_path / "refused" / "otlp.jsonl") == ["rcpt-1"]
    assert ids(tmp_path / "refused" / "parquet.jsonl") == ["rcpt-9"]
    assert await left.forget(lambda record: record.asker.user == "ann") == 0
    refused.add("otlp", answer_record("rcpt-5", user="bob"), "too large")
    assert ids(tmp_path / "refused" / "otlp.jsonl") == ["rcpt-1", "rcpt-5"]


async def test_what_nobody_can_read_goes_in_time(tmp_path: Path) -> None:
    clock = ScriptedClock()
    for name, age_days in (("old.damaged", 8), ("new.damaged", 1)):
        file = tmp_path / "quarantine" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"?")
        then = clock.epoch_s() - age_days * DAY_S
        os.utime(file, (then, then))
    refused = tmp_path / "refused" / "otlp.jsonl"
    refused.parent.mkdir()
    old = {"refused_at": clock.epoch_s() - 8 * DAY_S, "reason": "?", "record": {"id": "rcpt-1", "schema": 99}}
    new = {**old, "refused_at": clock.epoch_s()}
    refused.write_bytes(b"\n".join([orjson.dumps(old), orjson.dumps(new), b'{"cut sho']))
    assert await SpoolLeftovers(tmp_path, clock).forget(lambda _: False) == 1
    assert [file.name for file in (tmp_path / "quarantine").iterdir()] == ["new.damaged"]
    assert refused.read_bytes() == orjson.dumps(new) + b'\n{"cut sho'


async def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert await SpoolLeftovers(tmp_path / "none", ScriptedClock()).forget(lambda _: True) == 0


def test_a_segment_is_not_written_to_for_ever(tmp_path: Path) -> None:
    segments = Segments(tmp_path, segment_bytes=1_000_000)
    for written_at in (1_000.0, 1_599.0, 1_600.0, 1_700.0, 50.0, 60.0):
        segments.append(b"x" * 10, 1, written_at)
    segments.close()
    # The clock was set back once.
    assert [(each.number, each.size) for each in segments.known] == [(0, 20), (2, 20), (4, 20)]
