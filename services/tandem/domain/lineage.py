"""Versions of a collection: `docs` names the one that serves, `docs@3` one of them; lineage tells how each came to be."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tandem.domain.document import Recipe

_BASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VERSION = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})@([1-9][0-9]{0,8})")

# `building`: documents are still to come; `ready`: complete, never served; `retired`: it served before.
State = Literal["building", "ready", "serving", "retired"]


def valid_base(name: str) -> bool:
    """True for what may name a collection, its version left open."""
    return _BASE.fullmatch(name) is not None


def is_version(name: str) -> bool:
    """True for the name of one version, such as `docs@3`."""
    return _VERSION.fullmatch(name) is not None


def base_of(name: str) -> str:
    """`docs` of `docs@3`, and of `docs`."""
    return name.partition("@")[0]


def number_of(version: str) -> int:
    """3 of `docs@3`. `version` is one."""
    return int(version.partition("@")[2])


def version_named(base: str, number: int) -> str:
    """`docs@3`."""
    return f"{base}@{number}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where documents are read from: a folder, a URL, as it was given; and what was said of all of them then."""

    where: str
    tags: tuple[str, ...] = ()
    acl: tuple[str, ...] = ()
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A place that a tenant's documents were read from."""

    tenant: str
    place: Place


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """A question, and the documents that answer it."""

    question: str
    document_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Miss:
    """A golden question of which not every document was found. `regressed`: the serving version found them."""

    question: str
    missing: tuple[str, ...]
    regressed: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """What was held against a promotion at `at` (epoch seconds); no `refusals`: it passed. `forced` is the reason given
    for promoting all the same. The measures are None without golden questions, the serving one's without such a version.
    """

    at: float
    questions: int
    metric: str
    measure: float | None
    serving_measure: float | None
    documents: int
    serving_documents: int | None
    refusals: tuple[str, ...] = ()
    misses: tuple[Miss, ...] = ()
    forced: str | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a version came to be. Times are epoch seconds, None for what has not happened or was not noted.

    `parts` are name and revision or hash of what made it beside the recipe's names. `built_from` is the version that it
    took documents over from, `replaced` the one it took the place of when promoted. `documents` and `chunks` were
    counted when it was finished, over all tenants. `spent` is the highest number that a dropped version had: numbers are
    not given twice.
    """

    origins: tuple[Origin, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    built_from: str | None = None
    replaced: str | None = None
    created_at: float | None = None
    finished_at: float | None = None
    promoted_at: float | None = None
    retired_at: float | None = None
    documents: int | None = None
    chunks: int | None = None
    gates: tuple[GateResult, ...] = ()
    spent: int = 0


# Of a collection that nothing is told about.
UNTOLD = Lineage()


@dataclass(frozen=True, slots=True)
class Counts:
    """What a version holds, over all tenants."""

    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version with its state; `name` is such as `docs@3`. `documents` and `chunks` are what it holds now, over all
    tenants; None where nobody counted.
    """

    name: str
    recipe: Recipe
    lineage: Lineage
    state: State
    documents: int | None = None
    chunks: int | None = None

    @property
    def number(self) -> int:
        """3 of `docs@3`."""
        return number_of(self.name)


def told(found: Iterable[tuple[str, Recipe, Lineage]], serving: str | None) -> tuple[Version, ...]:
    """Versions of one collection, oldest first, with their states.

    The one that `serving` replaced is retired also when the process died before that could be noted.
    """
    every = sorted(found, key=lambda each: number_of(each[0]))
    replaced = next((lineage.replaced for name, _, lineage in every if name == serving), None)

    def state(name: str, lineage: Lineage) -> State:
        if name == serving:
            return "serving"
        if lineage.retired_at is not None or name == replaced:
            return "retired"
        return "building" if lineage.finished_at is None else "ready"

    return tuple(Version(name, recipe, lineage, state(name, lineage)) for name, recipe, lineage in every)
