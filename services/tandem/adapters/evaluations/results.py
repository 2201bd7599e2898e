"""A folder of results: `runs.jsonl` with a line for each run, `questions/RUN.jsonl` with one for each of its questions.

What is not finished yet lies in `partial/`; the same run goes on with it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.domain.errors import ConfigurationError
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.run import Run

T = TypeVar("T")
_ROW: TypeAdapter[Row] = TypeAdapter(Row)
_RUN: TypeAdapter[Run] = TypeAdapter(Run)


class Results:
    """Raises `ConfigurationError` for a folder that cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def runs(self, set_hash: str) -> list[Run]:
        """Of this set, oldest first."""
        return [run for run in _read(self._folder / "runs.jsonl", _RUN) if run.set_hash == set_hash]

    def rows(self, run: Run) -> list[Row]:
        """What each question of the run came to; none when its file is gone."""
        return _read(self._questions(run.id), _ROW)

    def unfinished(self, key: str) -> dict[str, Row]:
        """What an earlier, unfinished run of the same key came to, by question."""
        return {row.question: row for row in _read(self._partial(key), _ROW)}

    def forget(self, key: str) -> None:
        """The unfinished run is of no use any more."""
        with _told(self._folder):
            self._partial(key).unlink(missing_ok=True)

    @contextmanager
    def keeping(self, key: str) -> Iterator[Callable[[Row], None]]:
        """Takes rows, each of which is on disk when the call returns."""
        file = self._partial(key)
        with _told(self._folder):
            file.parent.mkdir(parents=True, exist_ok=True)
            _mend(file)
            out = file.open("ab", buffering=0)
        with out:

            def keep(row: Row) -> None:
                with _told(self._folder):
                    out.write(_ROW.dump_json(row) + b"\n")

            yield keep

    def finish(self, run: Run, rows: Sequence[Row], key: str) -> None:
        """The questions first: a run that is listed has them."""
        with _told(self._folder):
            self._questions(run.id).parent.mkdir(parents=True, exist_ok=True)
            _write(self._questions(run.id), b"".join(_ROW.dump_json(row) + b"\n" for row in rows))
            _append(self._folder / "runs.jsonl", orjson.dumps(_RUN.dump_python(run, mode="json")) + b"\n")
            self._partial(key).unlink(missing_ok=True)

    def _questions(self, run: str) -> Path:
        return self._folder / "questions" / f"{run}.jsonl"

    def _partial(self, key: str) -> Path:
        return self._folder / "partial" / f"{key}.jsonl"


def body(value: Run) -> Mapping[str, Any]:
    """As JSON."""
    found: Mapping[str, Any] = _RUN.dump_python(value, mode="json")
    return found


def _read(file: Path, kind: TypeAdapter[T]) -> list[T]:
    """Every whole line: the last one may have been cut off by a crash."""
    with _told(file.parent):
        if not file.exists():
            return []
        *lines, _ = file.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(kind.validate_json(line))
        except ValidationError as error:
            raise ConfigurationError(
                f"{file}, line {number} is no result of an evaluation: {error.errors()[0]['msg']}.",
                hint="Name another --results folder, or take the file out of this one.",
            ) from error
    return found


def _mend(file: Path) -> None:
    """Take off a line that was cut short, or what comes next would be written onto it."""
    if file.exists():
        whole = file.read_bytes()
        os.truncate(file, whole.rfind(b"\n") + 1)


def _append(file: Path, line: bytes) -> None:
    _mend(file)
    with file.open("ab") as out:
        out.write(line)
        out.flush()
        os.fsync(out.fileno())


def _write(file: Path, content: bytes) -> None:
    beside = file.with_suffix(".new")
    with beside.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The folder of results {folder} cannot be used: {error.strerror}.", hint="Name another with --results."
        ) from error
