"""Collections with their versions over any store: the real flow, with hashed words for a model and plain text for formats."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.domain.document import LoadedDocument, RawDocument, Recipe
from tandem.domain.errors import DocumentRejected
from tandem.domain.lineage import GoldenQuestion
from tandem.ingestion.chunking import Chunker
from tandem.pipeline.embedding import Embedding
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.retrieving import RetrievalDefaults, Retrieving
from tandem.pipeline.versions.building import Building
from tandem.pipeline.versions.carrying import Carrying
from tandem.pipeline.versions.gating import Gate
from tandem.pipeline.versions.keeping import KeptVersions
from tandem.pipeline.versions.promoting import Policy, Promoting
from tandem.ports.clock import Clock
from tandem.ports.embedder import SparseEmbedder
from tandem.ports.source import Listing, Source
from tandem.ports.vectors import Vectors
from tandem.retrieval.blend import Blend


class PlainText:
    """`ports/loader.py`: Markdown as it is."""

    name = "plain@1"

    async def load(self, document: RawDocument) -> LoadedDocument:
        if document.body == b"broken":
            raise DocumentRejected("broken", reason="damaged")
        return LoadedDocument(document.title or document.id, document.body.decode(), "text/markdown")


@dataclass(frozen=True, slots=True)
class Page:
    """A document of a `Shelf`; its text is its version."""

    id: str
    text: str
    acl: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.text)

    @property
    def version(self) -> str:
        return self.text

    async def read(self, unless: str | None = None) -> RawDocument | None:
        del unless
        return RawDocument(self.id, self.text.encode(), self.id, version=self.text, origin="shelf:1", acl=self.acl)


class Shelf:
    """A place with these pages."""

    def __init__(self, place: str, pages: dict[str, str], *, complete: bool = True) -> None:
        self.place = place
        self.pages = pages
        self.complete = complete

    async def listing(self) -> Listing:
        refs = tuple(Page(id_, text) for id_, text in sorted(self.pages.items()))
        return Listing(refs, (f"{self.place}/",), complete=self.complete, origin="shelf:1")


@dataclass
class Archive:
    """One process's pipeline over `vectors`. `tokens` is the size of chunks, `words` the sparse model: parts of the recipe."""

    vectors: Vectors
    clock: Clock = field(default_factory=ScriptedClock)
    tokens: int = 48
    dimensions: int = 64
    words: SparseEmbedder = field(default_factory=HashingSparse)
    policy: Policy = field(default_factory=Policy)
    golden: tuple[GoldenQuestion, ...] = ()

    def __post_init__(self) -> None:
        self.embedder, sparse, loader = HashingEmbedder(self.dimensions), self.words, PlainText()
        chunker = Chunker(self.embedder.count_tokens, self.tokens, 8)
        self.recipe = Recipe(self.embedder.card.name, self.dimensions, sparse.name, chunker.name)
        defaults = RetrievalDefaults(threshold=0.0)
        self.retrieving = Retrieving(self.embedder, sparse, self.vectors, Blend(), self.clock, defaults)
        carrying = Carrying(
            self.vectors, Embedding(self.embedder, sparse), chunker, recipe=self.recipe, loader=loader.name
        )
        self.building = building = Building(self.vectors, carrying, self.clock, self.recipe, (("loader", loader.name),))
        gate = Gate(self.retrieving, self.vectors, self.clock)
        self.promoting = Promoting(
            self.vectors, building, gate, self.clock, lambda _name: self.policy, self._configured
        )
        self.versions = KeptVersions(self.vectors, building, self.promoting)
        self.ingesting = Ingesting(
            loader, self.embedder, sparse, self.vectors, self.clock,
            chunk_tokens=self.tokens, chunk_overlap=8, versions=self.versions,
        )  # fmt: skip

    async def _configured(self, _collection: str) -> Sequence[GoldenQuestion]:
        return self.golden


def opened(*shelves: Shelf) -> "Opener":
    """Opens these places by their names."""
    return Opener({shelf.place: shelf for shelf in shelves})


@dataclass(frozen=True)
class Opener:
    """`asked` keeps which places were to be opened."""

    shelves: dict[str, Shelf]
    asked: list[str] = field(default_factory=list)

    def __call__(self, places: Sequence[str]) -> AbstractAsyncContextManager[Sequence[Source]]:
        self.asked.extend(places)
        return nullcontext([self.shelves[place] for place in places])
