"""How versions of collections are kept, as the settings say."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tandem.app.settings import Settings
from tandem.app.traffic import CollectionPolicy
from tandem.domain.document import Recipe
from tandem.domain.lineage import GoldenQuestion
from tandem.ingestion.chunking import Chunker
from tandem.pipeline.embedding import Embedding
from tandem.pipeline.versions.building import Building
from tandem.pipeline.versions.carrying import Carrying
from tandem.pipeline.versions.gating import Gate, GatePolicy
from tandem.pipeline.versions.keeping import KeptVersions
from tandem.pipeline.versions.promoting import Policy, Promoting
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors


def kept_versions(
    settings: Settings,
    vectors: Vectors,
    retriever: Retriever,
    clock: Clock,
    *,
    embedder: Embedder,
    sparse: SparseEmbedder,
    loader: str,
) -> KeptVersions:
    """`retriever` asks the golden questions: one that caches nothing."""
    chunker = Chunker(embedder.count_tokens, settings.ingestion.chunk_tokens, settings.ingestion.chunk_overlap)
    recipe = Recipe(embedder.card.name, embedder.card.dimensions, sparse.name, chunker.name)
    carrying = Carrying(vectors, Embedding(embedder, sparse), chunker, recipe=recipe, loader=loader)
    building = Building(vectors, carrying, clock, recipe, (("loader", loader),))

    async def golden(collection: str) -> Sequence[GoldenQuestion]:
        path = _of(settings, collection).gate.golden
        return () if path is None else await asyncio.to_thread(golden_questions, path)

    gate = Gate(retriever, vectors, clock)
    promoting = Promoting(vectors, building, gate, clock, lambda name: _policy(_of(settings, name)), golden)
    return KeptVersions(vectors, building, promoting)


def golden_questions(path: Path) -> tuple[GoldenQuestion, ...]:
    """The answerable ones of a golden set. Raises `InvalidRequest` that names file and line."""
    from tandem.adapters.sources.golden import read_golden

    found = read_golden(path)
    return tuple(GoldenQuestion(found.queries[name], tuple(relevant)) for name, relevant in found.qrels.items())


def _of(settings: Settings, collection: str) -> CollectionPolicy:
    return settings.collections.get(collection, CollectionPolicy())


def _policy(policy: CollectionPolicy) -> Policy:
    gate = policy.gate
    return Policy(
        GatePolicy(gate.metric, gate.min_measure, gate.max_drop, gate.min_documents),
        policy.keep_versions,
        policy.keep_retired_s,
    )
