"""Into which file a record goes: its day (UTC) and tenant, as Hive names folders, and a name that its batch alone decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from urllib.parse import quote, unquote

from tandem.domain.record import AnswerRecord

_DAY = "day="
_TENANT = "tenant="


@dataclass(frozen=True, slots=True)
class Partition:
    """One tenant's records of one day."""

    day: date
    tenant: str

    @property
    def folder(self) -> str:
        """Such as `day=2026-03-01/tenant=acme`."""
        # A dot alone would name another folder.
        tenant = (
            quote(self.tenant, safe="").replace(".", "%2E")
            if set(self.tenant) == {"."}
            else quote(self.tenant, safe="")
        )
        return f"{_DAY}{self.day.isoformat()}/{_TENANT}{tenant}"


def partitioned(records: Iterable[AnswerRecord]) -> dict[Partition, list[AnswerRecord]]:
    """Each partition's records, in their order."""
    found: dict[Partition, list[AnswerRecord]] = {}
    for record in records:
        day = datetime.fromtimestamp(record.timing.began_at, UTC).date()
        found.setdefault(Partition(day, record.asker.tenant), []).append(record)
    return found


def file_name(records: list[AnswerRecord]) -> str:
    """By the first record: a batch that comes again begins with the same one, so that its files are written over.

    It may end with another one then; those that are missing begin the next batch, as they did not before.
    """
    first = records[0]
    began_at = datetime.fromtimestamp(first.timing.began_at, UTC).strftime("%H%M%S")
    return f"{began_at}-{blake2b(first.id.encode('utf-8', 'replace'), digest_size=8).hexdigest()}.parquet"


def partition_of(path: str) -> Partition | None:
    """Whose file this is; None for one that is not ours."""
    day, _, rest = path.partition("/")
    tenant, _, name = rest.partition("/")
    if not (day.startswith(_DAY) and tenant.startswith(_TENANT) and name):
        return None
    try:
        return Partition(date.fromisoformat(day.removeprefix(_DAY)), unquote(tenant.removeprefix(_TENANT)))
    except ValueError:
        return None
