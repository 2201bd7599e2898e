"""A collection by its labels: what it knows, without a document in it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tandem.domain.filters import RANGE_FIELDS, Condition, Filter, FilterField
from tandem.domain.viewer import Viewer

# Documents were written and changed at any time since.
FIRST = datetime(2019, 1, 1, tzinfo=UTC).timestamp()


@dataclass
class KnownCollection:
    """`pipeline/catalogue.py::Known`; `asked` counts the questions to it."""

    labels: dict[FilterField, tuple[str, ...]]
    undated: frozenset[str] = frozenset()
    asked: list[tuple[str, Viewer]] = field(default_factory=list)

    async def values(self, collection: str, viewer: Viewer, field: FilterField, *, limit: int) -> tuple[str, ...]:
        self.asked.append((field, viewer))
        assert collection == "docs@1"
        return self.labels.get(field, ())[:limit]

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        self.asked.append(("holds", viewer))
        return all(map(self._meets, filters))

    def _meets(self, condition: Condition) -> bool:
        if condition.field in RANGE_FIELDS:
            return condition.field not in self.undated and (condition.at_most is None or condition.at_most >= FIRST)
        known = self.labels.get(condition.field, ())
        if condition.field == "path":
            return any(wanted == path or wanted in _above(path) for wanted in condition.any_of for path in known)
        return bool(set(condition.any_of) & set(known))


def _above(path: str) -> set[str]:
    parts = path.split("/")[:-1]
    return {"/".join(parts[:count]) + "/" for count in range(1, len(parts) + 1)}
