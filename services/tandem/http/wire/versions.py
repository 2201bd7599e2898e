"""Versions of collections on the wire."""

from typing import Annotated

from pydantic import Field

from tandem.domain.groups import MAX_GROUPS
from tandem.domain.lineage import GateResult, GoldenQuestion, Lineage, Place, State, Version
from tandem.http.wire.documents import WireRecipe
from tandem.http.wire.text import MAX_QUESTION_CHARS, Ours, Out, ShortText, Text
from tandem.ingestion.labels import MAX_TAGS
from tandem.ports.versions import Build, Carried, Left, Promotion

MAX_GOLDEN = 10_000
MAX_PLACES = 100

Word = Annotated[ShortText, Field(min_length=1)]
Reason = Annotated[
    ShortText, Field(min_length=3, description="Why to promote what the gate refuses; lineage keeps it.")
]
VersionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}@[1-9][0-9]{0,8}$")]


class WirePlace(Out):
    """Where documents are read from, and what was said of all of them."""

    where: str
    tags: list[str]
    acl: list[str]
    author: str | None


class WireOrigin(Out):
    """A place that a tenant's documents were read from."""

    tenant: str
    place: WirePlace


class WireMiss(Out):
    """A golden question of which not every document was found; `regressed`: the serving version found more."""

    question: str
    missing: list[str]
    regressed: bool


class WireGate(Out):
    """What golden questions and counts said of a version; without `refusals` it passed."""

    at: float
    questions: int
    metric: str
    measure: float | None
    serving_measure: float | None
    documents: int
    serving_documents: int | None
    refusals: list[str]
    misses: list[WireMiss]
    forced: str | None


class WireLineage(Out):
    """How a version came to be. Times are epoch seconds, null for what has not happened."""

    origins: list[WireOrigin]
    parts: list[tuple[str, str]]
    built_from: str | None
    replaced: str | None
    created_at: float | None
    finished_at: float | None
    promoted_at: float | None
    retired_at: float | None
    documents: int | None
    chunks: int | None
    gates: list[WireGate]
    spent: int


class WireVersion(Out):
    """One version; `name` is such as docs@3. In a list `documents` and `chunks` are what it holds now, over all tenants."""

    name: str
    state: State
    recipe: WireRecipe
    lineage: WireLineage
    documents: int | None
    chunks: int | None


class WireVersions(Out):
    """Answer of `GET /v1/collections/{name}/versions`, oldest first."""

    data: list[WireVersion]


class WireBuild(Out):
    """Answer of `POST /v1/collections/{name}/builds`: where to put documents, and the places they are to be read from."""

    version: WireVersion
    places: list[WirePlace]


class WireCarried(Out):
    """Answer of `POST /v1/collections/{name}/carry`; `next_after` null: everything was taken over."""

    done: int
    total: int
    written: int
    next_after: str | None


class PlacesNoted(Out):
    """Answer of `POST /v1/collections/{name}/sources`."""

    name: str
    places: int


class SaidPlace(Ours):
    """Where documents are read from, and what is said of all of them."""

    where: Word
    tags: list[Word] = Field(default=[], max_length=MAX_TAGS)
    acl: list[Word] = Field(default=[], max_length=MAX_GROUPS, description="Groups that may see its documents.")
    author: Word | None = None

    def place(self) -> Place:
        """The domain's."""
        return Place(self.where, tuple(self.tags), tuple(self.acl), self.author)


class BuildBody(Ours):
    """Body of `POST /v1/collections/{name}/builds`."""

    places: list[SaidPlace] = Field(
        default=[], max_length=MAX_PLACES, description="Instead of those of the serving version."
    )
    anew: bool = Field(default=False, description="Begin another one, though one is being built.")


class CarryBody(Ours):
    """Body of `POST /v1/collections/{name}/carry`: which documents were read anew, and so are not taken over."""

    origins: list[ShortText] = Field(default=[], max_length=10_000)
    roots: list[ShortText] = Field(default=[], max_length=10_000)
    after: Text | None = Field(default=None, description="next_after of the call before.")

    def left(self) -> Left:
        """The domain's."""
        return Left(tuple(self.origins), tuple(self.roots))


class PlacesBody(Ours):
    """Body of `POST /v1/collections/{name}/sources`."""

    places: list[SaidPlace] = Field(max_length=MAX_PLACES)


class Golden(Ours):
    """A question, and the documents that answer it."""

    question: Annotated[Text, Field(min_length=1, max_length=MAX_QUESTION_CHARS)]
    document_ids: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(min_length=1, max_length=1000)


class PromoteBody(Ours):
    """Body of `POST /v1/collections/{name}/promote`."""

    version: VersionName | None = Field(default=None, description="The newest complete one if unset.")
    golden: list[Golden] | None = Field(
        default=None, max_length=MAX_GOLDEN, description="The configured questions if unset; empty: none."
    )
    force: Reason | None = None

    def promotion(self) -> Promotion:
        """The domain's."""
        asked = None
        if self.golden is not None:
            asked = tuple(GoldenQuestion(each.question, tuple(each.document_ids)) for each in self.golden)
        return Promotion(self.version, asked, self.force)


class RollbackBody(Ours):
    """Body of `POST /v1/collections/{name}/rollback`."""

    of: VersionName | None = Field(default=None, description="Refused with 409 when it is another one that serves.")


def wire_version(version: Version) -> WireVersion:
    """A version."""
    recipe = version.recipe
    return WireVersion(
        name=version.name,
        state=version.state,
        recipe=WireRecipe(
            embedder=recipe.embedder, dimensions=recipe.dimensions, sparse=recipe.sparse, chunker=recipe.chunker
        ),
        lineage=_lineage(version.lineage),
        documents=version.documents,
        chunks=version.chunks,
    )


def wire_build(build: Build) -> WireBuild:
    """A build."""
    return WireBuild(version=wire_version(build.version), places=[_place(each) for each in build.places])


def wire_carried(carried: Carried) -> WireCarried:
    """How far it came."""
    return WireCarried(done=carried.done, total=carried.total, written=carried.written, next_after=carried.next_after)


def _place(place: Place) -> WirePlace:
    return WirePlace(where=place.where, tags=list(place.tags), acl=list(place.acl), author=place.author)


def _lineage(lineage: Lineage) -> WireLineage:
    return WireLineage(
        origins=[WireOrigin(tenant=each.tenant, place=_place(each.place)) for each in lineage.origins],
        parts=list(lineage.parts),
        built_from=lineage.built_from,
        replaced=lineage.replaced,
        created_at=lineage.created_at,
        finished_at=lineage.finished_at,
        promoted_at=lineage.promoted_at,
        retired_at=lineage.retired_at,
        documents=lineage.documents,
        chunks=lineage.chunks,
        gates=[_gate(each) for each in lineage.gates],
        spent=lineage.spent,
    )


def _gate(gate: GateResult) -> WireGate:
    return WireGate(
        at=gate.at,
        questions=gate.questions,
        metric=gate.metric,
        measure=gate.measure,
        serving_measure=gate.serving_measure,
        documents=gate.documents,
        serving_documents=gate.serving_documents,
        refusals=list(gate.refusals),
        misses=[
            WireMiss(question=each.question, missing=list(each.missing), regressed=each.regressed)
            for each in gate.misses
        ],
        forced=gate.forced,
    )
