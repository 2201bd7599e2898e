"""A sink that keeps the records where a test can read them, and fails when it is told to."""

from collections.abc import Sequence

from tandem.domain.errors import TandemError
from tandem.domain.record import AnswerRecord


class ScriptedSink:
    """`ports/sink.py` in memory. `batches` are what came, each once for each time; `faults` are raised first, in order."""

    def __init__(self, name: str = "scripted") -> None:
        self._name = name
        self.batches: list[tuple[AnswerRecord, ...]] = []
        self.faults: list[TandemError] = []

    @property
    def name(self) -> str:
        """See the port."""
        return self._name

    @property
    def records(self) -> dict[str, AnswerRecord]:
        """Each record once, by its id."""
        return {record.id: record for batch in self.batches for record in batch}

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port."""
        if self.faults:
            raise self.faults.pop(0)
        self.batches.append(tuple(records))
