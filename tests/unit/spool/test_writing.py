"""The spool's thread, step by step: what it does with a disk that is full, slow to be trusted, or somebody else's."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.records import answer_record
from fakes.spools import Made, SpoolCounts
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.spool.cursors import Cursor
from tandem.adapters.spool.encoding import decoded
from tandem.adapters.spool.frames import Frame, frames
from tandem.adapters.spool.writing import Upkeep, Writer
from tandem.domain.errors import ConfigurationError, StoreBusy
from tandem.domain.passage import Scores
from tandem.domain.record import AnswerRecord
from tandem.pipeline.monitoring import Prepare

NOBODY: dict[str, Cursor] = {"sink": Cursor()}


class Disk:
    """What the operating system's calls do: `full` takes a few bytes and no more."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.fault: int | None = None
        self.synced = 0
        self._write, self._fsync = os.write, os.fsync
        patch.setattr(os, "write", self.write)
        patch.setattr(os, "fsync", self.fsync)

    def write(self, file: int, data: memoryview) -> int:
        if self.fault is None:
            return self._write(file, data)
        if len(data) > 10:
            return self._write(file, data[:10])
        raise OSError(self.fault, os.strerror(self.fault))

    def fsync(self, file: int) -> None:
        if Path(f"/proc/self/fd/{file}").is_file():
            self.synced += 1
        self._fsync(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


class Spool:
    """A writer, and what lies on the disk."""

    def __init__(self, folder: Path, upkeep: Upkeep | None = None, *steps: Prepare) -> None:
        self.folder, self.clock, self.counts = folder, ScriptedClock(), SpoolCounts()
        self.writer = Writer(folder, upkeep or Upkeep(), self.clock, self.counts, prepare=steps, sinks=["sink"])
        self.writer.open()

    def put(self, *ids: str, anyway: bool = False) -> bool:
        self.writer.encode([Made(answer_record(id_)) for id_ in ids], paced=False)
        return self.writer.store(NOBODY, anyway=anyway) is not None

    @property
    def ids(self) -> list[str]:
        found = []
        for path in sorted((self.folder / "segments").glob("*.seg")):
            with path.open("rb") as file:
                pieces = list(frames(file, 0, path.stat().st_size))
            assert all(isinstance(piece, Frame) for piece in pieces), "half a record lies there"
            found += [decoded(piece.text).id for piece in pieces if isinstance(piece, Frame)]
        return found


def size_of_one(folder: Path) -> int:
    spool = Spool(folder / "probe")
    spool.put("rcpt-00")
    return spool.writer.segments.size


@pytest.mark.parametrize(("fault", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "disk_error")])
def test_a_disk_that_takes_nothing_costs_no_record_that_there_is_room_for(
    tmp_path: Path, disk: Disk, fault: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path)
    assert spool.put("rcpt-00")
    disk.fault = fault
    assert not spool.put("rcpt-01", "rcpt-02")
    assert spool.writer.trouble == reason
    disk.fault = None
    # Not at once: a full disk is not hammered.
    assert not spool.put()
    spool.clock.advance(5)
    assert spool.put()
    assert spool.ids == ["rcpt-00", "rcpt-01", "rcpt-02"]
    assert spool.writer.trouble is None
    assert not spool.counts.lost
    assert len([line for line in caplog.messages if "cannot be written" in line]) == 1


def test_what_is_in_memory_when_the_process_ends_with_a_full_disk_is_counted(tmp_path: Path, disk: Disk) -> None:
    spool = Spool(tmp_path)
    disk.fault = errno.ENOSPC
    spool.put("rcpt-00", "rcpt-01")
    assert not spool.put(anyway=True)
    spool.writer.close()
    assert spool.counts.lost == {"disk_full": 2}


def test_a_disk_that_is_full_at_the_start_is_used_once_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.open

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    spool = Spool(tmp_path)
    assert spool.writer.trouble == "disk_full"
    assert not spool.put("rcpt-00")
    monkeypatch.setattr(os, "open", whole)
    spool.clock.advance(5)
    assert spool.put()
    assert spool.ids == ["rcpt-00"]


def test_a_folder_that_cannot_be_one_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="is no folder"):
            Spool(folder)


def test_another_process_on_the_same_folder_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tandem.adapters.spool.lock import Lock;"
        "lock = Lock(Path(sys.argv[1])); lock.take(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy, match=f"process {other.pid} .*{tmp_path}") as refused:
            Spool(tmp_path)
        assert refused.value.hint is not None and "monitor.spool.dir" in refused.value.hint
        other.stdin.close()
    Spool(tmp_path).writer.close()


@pytest.mark.parametrize(
    ("fsync", "after_one", "after_a_second"), [("always", 1, 2), ("interval", 0, 1), ("never", 0, 0)]
)
def test_records_are_synced_as_the_settings_say(
    tmp_path: Path, disk: Disk, fsync: str, after_one: int, after_a_second: int
) -> None:
    spool = Spool(tmp_path, Upkeep(fsync=fsync))  # type: ignore[arg-type]
    spool.put("rcpt-00")
    spool.writer.tend(NOBODY)
    assert disk.synced == after_one
    spool.clock.advance(1)
    if fsync == "interval":
        assert spool.writer.due_s() == 0.0
    if fsync != "interval":
        spool.put("rcpt-01")
    spool.writer.tend(NOBODY)
    assert disk.synced == after_a_second


@pytest.mark.parametrize(("on_full", "kept"), [("drop_oldest", [4, 5, 6, 7, 8, 9]), ("drop_new", [0, 1, 2, 3, 4, 5])])
def test_a_full_spool_drops_what_was_declared_and_counts_it(tmp_path: Path, on_full: str, kept: list[int]) -> None:
    size = size_of_one(tmp_path)
    upkeep = Upkeep(segment_bytes=2 * size, max_bytes=6 * size, on_full=on_full)  # type: ignore[arg-type]
    spool = Spool(tmp_path / "spool", upkeep)
    for n in range(10):
        assert spool.put(f"rcpt-{n:02d}")
    assert spool.ids == [f"rcpt-{n:02d}" for n in kept]
    assert spool.counts.lost == {"spool_full": 4}
    assert spool.counts.recorded + (4 if on_full == "drop_new" else 0) == 10


def test_what_every_sink_has_is_not_counted_as_lost_when_its_room_is_needed(tmp_path: Path) -> None:
    size = size_of_one(tmp_path)
    spool = Spool(tmp_path / "spool", Upkeep(segment_bytes=2 * size, max_bytes=4 * size))
    for n in range(4):
        spool.put(f"rcpt-{n:02d}")
    spool.writer.encode([Made(answer_record("rcpt-04"))])
    spool.writer.store({"one": Cursor(0, size, 1, 1.0), "other": Cursor(2, size, 3, 1.0)})
    assert spool.ids == ["rcpt-02", "rcpt-03", "rcpt-04"]
    assert spool.counts.lost == {"spool_full": 1}


def test_segments_go_when_every_sink_has_them(tmp_path: Path) -> None:
    size = size_of_one(tmp_path)
    spool = Spool(tmp_path / "spool", Upkeep(segment_bytes=size))
    for n in range(3):
        spool.put(f"rcpt-{n:02d}")
    spool.writer.tend({"one": Cursor(2, size, 3, 1.0), "other": Cursor(0, size, 1, 1.0)})
    assert spool.ids == ["rcpt-01", "rcpt-02"]
    everything = {"one": Cursor(2, size, 3, 1.0), "other": Cursor(2, size, 3, 1.0)}
    spool.writer.tend(everything)
    assert spool.ids == ["rcpt-02"]
    spool.clock.advance(2)
    spool.writer.tend(everything)
    due_s = spool.writer.due_s()
    assert due_s is not None and due_s > 1
    spool.clock.advance(due_s)
    spool.writer.tend(everything)
    assert spool.ids == []
    assert spool.writer.due_s() is None
    # Numbers go on, also in the next process.
    spool.writer.close()
    again = Spool(tmp_path / "spool")
    assert again.writer.segments.next_number == 3


def test_a_record_that_cannot_be_made_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Made):
        def record(self) -> AnswerRecord:
            raise KeyError("no such thing")

    spool = Spool(tmp_path)
    good = answer_record("rcpt-00")
    spool.writer.encode([Broken(good), Made(good)], paced=False)
    spool.writer.store(NOBODY)
    assert spool.ids == ["rcpt-00"]
    assert spool.counts.lost == {"unencodable": 1}


def test_nothing_that_was_not_prepared_touches_the_disk(tmp_path: Path) -> None:
    def careful(record: AnswerRecord) -> AnswerRecord:
        if record.id == "rcpt-01":
            raise ValueError("cannot tell what is secret in it")
        return replace(record, degraded=("first",))

    def second(record: AnswerRecord) -> AnswerRecord:
        return replace(record, degraded=(*record.degraded, "second"))

    spool = Spool(tmp_path, None, careful, second)
    spool.put("rcpt-00", "rcpt-01", "rcpt-02")
    assert spool.ids == ["rcpt-00", "rcpt-02"]
    (path,) = (tmp_path / "segments").glob("*.seg")
    with path.open("rb") as file:
        for piece in frames(file, 0, path.stat().st_size):
            assert isinstance(piece, Frame) and decoded(piece.text).degraded == ("first", "second")


def test_halves_of_surrogate_pairs_and_numbers_that_are_none_do_not_lose_a_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    odd = answer_record("rcpt-00", question="half \ud83d of it")
    passages = (replace(odd.retrieval.passages[0], scores=Scores(dense=float("nan"))),)
    spool.writer.encode([Made(replace(odd, retrieval=replace(odd.retrieval, passages=passages)))])
    spool.writer.store(NOBODY)
    assert spool.ids == ["rcpt-00"]


def test_a_record_that_is_far_too_large_is_dropped_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Upkeep(segment_bytes=65_536, max_bytes=262_144))
    spool.writer.encode([Made(answer_record("rcpt-00", question="x" * 70_000)), Made(answer_record("rcpt-01"))])
    spool.writer.store(NOBODY)
    assert spool.ids == ["rcpt-01"]
    assert spool.counts.lost == {"too_large": 1}
