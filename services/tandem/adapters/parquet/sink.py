"""Records as Parquet files, `day=…/tenant=…/*.parquet`."""

import threading
from collections.abc import Sequence

import duckdb

from tandem.adapters.parquet.aside import aside
from tandem.adapters.parquet.partitions import file_name, partitioned
from tandem.adapters.parquet.places import Place
from tandem.adapters.parquet.tables import parquet
from tandem.domain.errors import DocumentRejected, UpstreamUnavailable
from tandem.domain.record import AnswerRecord


class ParquetSink:
    """`ports/sink.py`: a file for each day and tenant of a batch, there when `ship` returns.

    Files are as large as batches: whoever ships waits until enough have come. A batch that comes again after a crash is
    written over, so that each record is there once.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """See the port."""
        return "parquet"

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port. Raises `DocumentRejected` for what no column can hold."""
        await aside(lambda: self._write(records), self._turn)

    def _write(self, records: Sequence[AnswerRecord]) -> None:
        try:
            # All of them are made before the first is put: of a batch that holds a bad record nothing is there.
            tables = [
                (f"{partition.folder}/{file_name(theirs)}", parquet(theirs))
                for partition, theirs in partitioned(records).items()
            ]
        except (duckdb.ConversionException, duckdb.InvalidInputException, OverflowError, ValueError) as error:
            raise DocumentRejected(f"A record does not fit the columns: {error}", reason="refused") from error
        except (duckdb.Error, OSError) as error:
            raise UpstreamUnavailable(f"Parquet cannot be made: {error}") from error
        for path, table in tables:
            self._place.put(path, table)
