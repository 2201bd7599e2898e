"""What there is to do for a batch: the input's lines, and what earlier runs left in its files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tandem.adapters.batches.input import lines_of
from tandem.adapters.batches.results import ResultFile
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import InvalidRequest
from tandem.pipeline.batches.earlier import Earlier


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `output` None is standard output; `errors` None is wherever that goes."""

    source: Path
    output: Path | None
    errors: Path | None
    defaults: dict[str, str] = field(default_factory=dict)
    limit: int | None = None
    retry_failed: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """`keys` are the lines to answer, by custom_id, or by number where they are faulty; `known` and `faults` those of the whole
    file.
    """

    keys: tuple[str | int, ...]
    known: dict[str, int]
    faults: dict[int, str]

    def lines(self, file: BinaryIO) -> Iterator[BatchLine]:
        """These lines again."""
        return islice(lines_of(file), len(self.keys))

    def number(self, custom_id: str | None) -> int | None:
        """The line that has it."""
        return None if custom_id is None else self.known.get(custom_id)


def contents(file: BinaryIO, limit: int | None) -> Contents:
    """One look at every line."""
    keys: list[str | int] = []
    known: dict[str, int] = {}
    faults: dict[int, str] = {}
    for line in lines_of(file):
        if line.fault is not None:
            faults[line.number] = line.fault.code
        elif line.custom_id is not None:
            known[line.custom_id] = line.number
        if limit is None or len(keys) < limit:
            keys.append(line.number if line.fault is not None or line.custom_id is None else line.custom_id)
    if not keys:
        raise InvalidRequest(
            "There are no lines in the batch.",
            hint='A line is {"custom_id": …, "method": "POST", "url": "/v1/chat/completions", "body": {…}}.',
        )
    return Contents(tuple(keys), known, faults)


@dataclass(slots=True)
class Tally:
    """How far it is. What is `before` was known when this run began."""

    lines: int
    answered_before: int = 0
    failed_before: int = 0
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @property
    def todo(self) -> int:
        """Lines of this run."""
        return self.lines - self.answered_before - self.failed_before

    @property
    def left(self) -> int:
        """Lines that nothing has come of yet."""
        return self.todo - self.answered - self.failed


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left of it."""

    contents: Contents
    earlier: Earlier
    tally: Tally

    def left(self, file: BinaryIO) -> Iterator[BatchLine]:
        """The lines to answer, in the input's order."""
        return self.earlier.left(self.contents.lines(file))


def planned(request: Request, file: BinaryIO, answered: ResultFile, failed: ResultFile) -> Plan:
    """Takes up where earlier runs left off. Raises `InvalidRequest` when their files belong to another input."""
    found = contents(file, request.limit)
    earlier = Earlier.of([*answered.earlier(), *(() if failed is answered else failed.earlier())])
    strange = earlier.strange(found.known.keys())
    if strange is not None:
        raise InvalidRequest(
            f"{request.output} holds results of another batch: {request.source} has no custom_id {strange[:100]!r}.",
            hint="Name another file with -o, or start over with --overwrite.",
        )
    if earlier.drop(found.faults, retry=request.retry_failed):
        failed.keep(earlier.keeps)
    tally = Tally(len(found.keys))
    for key in found.keys:
        tally.answered_before += key in earlier.answered
        tally.failed_before += key in earlier.failed or key in earlier.faulty
    return Plan(found, earlier, tally)
