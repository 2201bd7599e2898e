"""One record of a topic as a source of one document: for one that failed, and is to be tried again."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from tandem.adapters.sources.kafka import KafkaStream
from tandem.adapters.sources.kafka_place import kafka_place
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing
from tandem.ports.stream import Event


@dataclass(frozen=True, slots=True)
class _RecordRef:
    id: str
    event: Event
    size: int | None = None
    version: str | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected` for what cannot be understood."""
        del unless
        if self.event.document is None:
            raise DocumentRejected(self.event.fault or "The record deletes the document.", reason="unreadable")
        # Its position has taken effect: with the failure. What is put now is put by itself.
        return replace(self.event.document, position=None)


class RecordSource:
    """`ports/source.py` for `kafka://HOST/TOPIC?partition=P&offset=N`."""

    def __init__(self, place: str, *, max_document_bytes: int = 50_000_000) -> None:
        self._place = place
        topic, _, query = place.partition("?")
        self._stream = KafkaStream(kafka_place(topic), max_document_bytes=max_document_bytes)
        said = parse_qs(query)
        try:
            self._partition, self._offset = int(said["partition"][0]), int(said["offset"][0])
        except (KeyError, ValueError) as error:
            raise InvalidRequest(f"{place} names no record.", param="path") from error

    @property
    def place(self) -> str:
        """As it was named."""
        return self._place

    async def listing(self) -> Listing:
        """The record, or nothing when the broker does not keep it any more."""
        event = await self._stream.record(self._partition, self._offset)
        return Listing(() if event is None else (_RecordRef(event.document_id, event),))
