"""What sinks read from a spool that was damaged, that lost segments, and whose clock was set back."""

from pathlib import Path

import pytest

from fakes.records import answer_record
from fakes.spools import Made, SpoolCounts, spooled_at
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.spool.frames import framed
from tandem.adapters.spool.reading import Reading
from tandem.adapters.spool.spooling import Room, Spooling
from tandem.adapters.spool.writing import Upkeep

SINK = "sink"


async def fill(monitor: Spooling, number: int, first: int = 0) -> None:
    for n in range(first, first + number):
        monitor.take(Made(answer_record(f"rcpt-{n}")))
    assert await monitor.flush(10)


async def drained(shelf: Reading, most: int = 100) -> list[str]:
    """Everything that the sink has not had, as it is had now."""
    found: list[str] = []
    while True:
        batch = await shelf.read(SINK, most=most)
        before = shelf.cursors[SINK].position
        await shelf.shipped(SINK, batch.upto)
        found += [record.id for record in batch.records]
        if not batch.records and batch.upto == before:
            return found


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "segments").glob("*.seg"))


def aside(folder: Path) -> list[str]:
    return sorted(path.suffix for path in (folder / "quarantine").glob("*"))


def damage(path: Path, kind: str) -> None:
    data = path.read_bytes()
    if kind == "cut":
        path.write_bytes(data[:-10])
    elif kind == "damaged":
        path.write_bytes(data[:200] + b"?????" + data[205:])
    elif kind == "garbage":
        path.write_bytes(bytes(range(256)) * 40)
    elif kind == "schema":
        later = data[28 : data.index(b"\xf5tr\n", 28)].replace(b'"schema":1', b'"schema":9')
        path.write_bytes(framed(0, 1.0, later) + data[28 + len(later) :])
    else:
        path.write_bytes(framed(0, 1.0, b'{"no": "record"}') + data)


@pytest.mark.parametrize(
    ("kind", "reason", "lost"),
    [
        ("cut", "cut", {4}),
        ("damaged", "damaged", {0}),
        ("garbage", "damaged", {0, 1, 2, 3, 4}),
        ("schema", "unknown", {0}),
        ("alien", "unknown", set()),
    ],
)
async def test_a_damaged_segment_is_put_aside_counted_once_and_the_rest_is_shipped(
    tmp_path: Path, kind: str, reason: str, lost: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    counts = SpoolCounts()
    async with spooled_at(tmp_path, [SINK, "other"], counts) as (monitor, _):
        await fill(monitor, 5)
    (path,) = segments(tmp_path)
    damage(path, kind)
    for _ in range(2):
        # Once more after a restart, and for another sink: it is told of once.
        async with spooled_at(tmp_path, [SINK, "other"], counts) as (monitor, shelf):
            if not counts.damage:
                await fill(monitor, 3, 5)
                assert await drained(shelf) == [f"rcpt-{n}" for n in range(8) if n not in lost]
            await shelf.read("other", most=100)
    assert counts.damage == {reason: 1}
    assert aside(tmp_path) == [f".{reason}"]
    assert len([line for line in caplog.messages if "cannot be read" in line]) == 1


async def test_files_of_others_in_the_folder_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "notes.seg").write_text("mine")
    counts = SpoolCounts()
    async with spooled_at(tmp_path, [SINK], counts) as (monitor, shelf):
        await fill(monitor, 1)
        assert await drained(shelf) == ["rcpt-0"]
    assert (tmp_path / "segments" / "notes.seg").read_text() == "mine"


async def test_more_than_memory_keeps_is_read_from_the_disk_in_order(tmp_path: Path) -> None:
    upkeep = Upkeep(segment_bytes=65_536)
    async with spooled_at(tmp_path, [SINK], SpoolCounts(), upkeep=upkeep) as (monitor, shelf):
        for first in range(0, 4000, 1000):
            await fill(monitor, 1000, first)
        assert await drained(shelf, most=300) == [f"rcpt-{n}" for n in range(4000)]
        await fill(monitor, 2, 4000)
        assert await drained(shelf) == ["rcpt-4000", "rcpt-4001"]


async def test_a_cursor_that_cannot_be_read_begins_again_rather_than_losing(tmp_path: Path) -> None:
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 3)
        some = await shelf.read(SINK, most=2)
        await shelf.shipped(SINK, some.upto)
    (tmp_path / "cursors" / "sink.json").write_text("{")
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 1, 3)
        assert await drained(shelf) == ["rcpt-0", "rcpt-1", "rcpt-2", "rcpt-3"]


async def test_segments_that_were_removed_by_hand_stop_nothing(tmp_path: Path) -> None:
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 3)
        assert len(await drained(shelf)) == 3
    for path in segments(tmp_path):
        path.unlink()
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 2, 3)
        assert await drained(shelf) == ["rcpt-3", "rcpt-4"]


async def test_a_clock_that_is_set_back_makes_no_age_negative_and_loses_nothing(tmp_path: Path) -> None:
    clock = ScriptedClock()
    async with spooled_at(tmp_path, [SINK], SpoolCounts(), clock=clock) as (monitor, shelf):
        await fill(monitor, 2)
        clock.advance(10)
        (lag,) = shelf.lags()
        assert (lag.records, lag.seconds) == (2, 10)
        clock._epoch_s -= 86_400
        (lag,) = shelf.lags()
        assert (lag.records, lag.seconds) == (2, 0)
        await fill(monitor, 1, 2)
        assert await drained(shelf) == ["rcpt-0", "rcpt-1", "rcpt-2"]
        (lag,) = shelf.lags()
        assert (lag.records, lag.seconds) == (0, 0)


async def test_the_census_tells_what_waits_where(tmp_path: Path) -> None:
    clock = ScriptedClock()
    async with spooled_at(tmp_path, [SINK, "other"], SpoolCounts(), clock=clock) as (monitor, shelf):
        await fill(monitor, 4)
        await drained(shelf)
        clock.advance(60)
        await fill(monitor, 1, 4)
        now = monitor.census()
        assert (now.queued, now.records, now.oldest_s, now.writable) == (0, 5, 60, True)
        assert now.bytes > 1000
        assert [(lag.sink, lag.records, lag.seconds) for lag in now.sinks] == [(SINK, 1, 0), ("other", 5, 60)]


async def test_what_has_no_room_in_memory_is_counted_by_number_and_by_size(tmp_path: Path) -> None:
    for room, taken in ((Room(records=3), 3), (Room(bytes=2_500), 2)):
        counts = SpoolCounts()
        folder = tmp_path / str(taken)
        async with spooled_at(folder, [SINK], counts, upkeep=Upkeep(fsync_interval_s=60), room=room) as (
            monitor,
            shelf,
        ):
            for n in range(5):
                monitor.take(Made(answer_record(f"rcpt-{n}")))
            assert await monitor.flush(10)
            assert len(await drained(shelf)) == taken
            assert counts.lost == {"queue_full": 5 - taken}
            # There is room again.
            await fill(monitor, 1, 5)
            assert await drained(shelf) == ["rcpt-5"]


async def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    counts = SpoolCounts()
    async with spooled_at(tmp_path, [SINK], counts) as (monitor, _):
        pass
    monitor.take(Made(answer_record()))
    assert counts.lost == {"shutdown": 1}


async def test_what_was_refused_is_kept_with_the_reason_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.adapters.spool.refused._MOST_BYTES", 20_000)
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (_, shelf):
        for n in range(40):
            await shelf.refuse(SINK, answer_record(f"rcpt-{n}"), "its title is too long")
    files = list((tmp_path / "refused").iterdir())
    assert sum(path.stat().st_size for path in files) <= 20_000
    assert '"reason":"its title is too long"' in (tmp_path / "refused" / "sink.jsonl").read_text()
    assert "rcpt-39" in (tmp_path / "refused" / "sink.jsonl").read_text()


async def test_what_every_sink_has_does_not_outlive_the_process(tmp_path: Path) -> None:
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 3)
        assert len(await drained(shelf)) == 3
    assert list((tmp_path / "segments").iterdir()) == []
    async with spooled_at(tmp_path, [SINK], SpoolCounts()) as (monitor, shelf):
        await fill(monitor, 1, 3)
        assert await drained(shelf) == ["rcpt-3"]


@pytest.mark.parametrize("reopened", [False, True])
async def test_a_batch_says_when_it_was_cut_for_its_size(tmp_path: Path, *, reopened: bool) -> None:
    async with spooled_at(tmp_path, (SINK,), SpoolCounts()) as (monitor, shelf):
        for n in range(4):
            monitor.take(Made(answer_record(f"rcpt-{n}", question="x" * 95_000)))
        assert await monitor.flush(10)
        if not reopened:
            await _is_cut(shelf)
    if reopened:
        async with spooled_at(tmp_path, (SINK,), SpoolCounts()) as (_, shelf):
            await _is_cut(shelf)


async def _is_cut(shelf: Reading) -> None:
    assert not (await shelf.read(SINK, most=1)).cut
    some = await shelf.read(SINK, most=9)
    assert some.cut and 0 < len(some.records) < 4
    await shelf.shipped(SINK, some.upto)
    rest = await shelf.read(SINK, most=9)
    assert not rest.cut and len(some.records) + len(rest.records) == 4
    await shelf.shipped(SINK, rest.upto)
    assert not (await shelf.read(SINK, most=9)).cut
