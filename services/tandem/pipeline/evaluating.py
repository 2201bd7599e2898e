"""A labelled set through the real pipeline: ingest its corpus, ask its questions, score every stage of retrieval."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.errors import InvalidRequest
from tandem.domain.passage import Passage, Retrieval, Trace
from tandem.domain.question import RetrievalOptions
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import NAMES, estimate, scores

COLLECTION = "evaluation"
# Chunks are mapped back to documents, so more of them than the ten documents that count.
_TOP_K = 50
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per stage each metric's mean and interval; `refused` are shares of questions for which nothing relevant was found."""

    name: str
    documents: int
    queries: int
    stages: dict[str, dict[str, Any]]
    refused_answerable: float | None
    refused_unanswerable: float | None

    def body(self) -> dict[str, Any]:
        """As `tandem eval -o json` prints it."""
        return asdict(self)


async def evaluate(
    labelled: LabelledSet, ingestor: Ingestor, retriever: Retriever, context: RequestContext, tell: Tell
) -> Evaluation:
    """`tell(what, done, total)` is called as it goes on. Raises `InvalidRequest` for a set without judged questions."""
    if not labelled.qrels:
        raise InvalidRequest(f"The set {labelled.name} judges no question.", hint="qrels/*.tsv holds the judgements.")
    await _fill(labelled, ingestor, context, tell)
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    refused: dict[bool, list[float]] = {True: [], False: []}
    names = {_named(index): document.id for index, document in enumerate(labelled.documents)}
    for done, (query, text) in enumerate(labelled.queries.items(), 1):
        options = RetrievalOptions(collection=COLLECTION, top_k=_TOP_K, explain=True)
        found = await retriever.retrieve(text, options, context)
        relevant = labelled.qrels.get(query)
        refused[relevant is not None].append(float(not found.passages))
        if relevant:
            for stage, passages in _stages(found).items():
                for metric, value in scores([names[each] for each in _documents(passages)], relevant).items():
                    values[stage][metric].append(value)
        tell("asking", done, len(labelled.queries))
    return Evaluation(
        name=labelled.name,
        documents=len(labelled.documents),
        queries=len(labelled.queries),
        stages={stage: _summary(metrics) for stage, metrics in values.items()},
        refused_answerable=_mean(refused[True]),
        refused_unanswerable=_mean(refused[False]),
    )


async def _fill(labelled: LabelledSet, ingestor: Ingestor, context: RequestContext, tell: Tell) -> None:
    for done, document in enumerate(labelled.documents, 1):
        text = f"# {document.title}\n\n{document.text}" if document.title else document.text
        # An id of its own: what a labelled set calls its documents may be no document id here.
        raw = RawDocument(
            _named(done - 1),
            text.encode(),
            source=f"{labelled.name}/{document.id}",
            media_type="text/markdown",
            title=document.title or None,
        )
        await ingestor.put(COLLECTION, raw, context)
        tell("ingesting", done, len(labelled.documents))
    await ingestor.settle(COLLECTION)


def _stages(found: Retrieval) -> dict[str, Sequence[Passage]]:
    trace = found.trace or Trace()
    stages: dict[str, Sequence[Passage]] = {"dense": trace.dense, "sparse": trace.sparse, "fused": trace.fused}
    return stages | ({"reranked": trace.reranked} if trace.reranker else {})


def _documents(passages: Sequence[Passage]) -> list[str]:
    """Each document once, at the place of its best chunk."""
    return list(dict.fromkeys(passage.chunk.document_id for passage in passages))


def _named(index: int) -> str:
    return f"document-{index}"


def _summary(metrics: dict[str, list[float]]) -> dict[str, Any]:
    estimates = {name: estimate(metrics[name]) for name in NAMES}
    means = {name: round(found.mean, 4) for name, found in estimates.items()}
    return {**means, "ci": {name: [round(found.low, 4), round(found.high, 4)] for name, found in estimates.items()}}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
