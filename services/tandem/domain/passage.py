"""What retrieval found, with the scores that led there, and the trace of how."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.document import Chunk
from tandem.domain.query import QueryPlan


@dataclass(frozen=True, slots=True)
class Scores:
    """Each stage's score, None where the stage did not see the passage.

    `dense` cosine −1…1; `sparse` BM25 ≥ 0; `fused` RRF; `rerank` in the reranker's own units; `relevance` 0…1, see
    `retrieval/relevance.py`; `marginal` what it adds to those taken before it, see `retrieval/diversity.py`.
    """

    dense: float | None = None
    sparse: float | None = None
    fused: float | None = None
    rerank: float | None = None
    relevance: float | None = None
    marginal: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, with its document's title and source.

    `flags` say what is suspicious about its text. Where neighbours were added, `chunk` has their text too, with its own
    span in the document, under the number of the one that was found; `parts` are the chunks that it is made of, in order.
    """

    chunk: Chunk
    title: str
    source: str
    scores: Scores = field(default_factory=Scores)
    flags: tuple[str, ...] = ()
    parts: tuple[Chunk, ...] = ()

    def scored(self, *, rerank: float | None = None, relevance: float | None = None) -> "Passage":
        """The same with a stage's score beside the others: what `replace` does, in a third of its time."""
        known = self.scores
        scores = Scores(
            known.dense,
            known.sparse,
            known.fused,
            known.rerank if rerank is None else rerank,
            known.relevance if relevance is None else relevance,
            known.marginal,
        )
        return Passage(self.chunk, self.title, self.source, scores, self.flags, self.parts)


DropReason = Literal[
    "near_duplicate",
    "below_threshold",
    "over_top_k",
    "over_token_budget",
    "lacks_phrase",
    "merged",
    "suspicious",
]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A passage that was recalled and left out, and why; `by` names the passage it repeats or became part of."""

    passage: Passage
    reason: DropReason
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Legs:
    """What one query found by meaning and by words, each best first."""

    query: str
    dense: tuple[Passage, ...]
    sparse: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole way from question to passages, for `tandem.explain`.

    `queries` are the texts searched for, `plan` what is to be told of them. `dense` and `sparse` are the question's own
    legs; `others` what each further query found.
    """

    queries: tuple[str, ...] = ()
    dense: tuple[Passage, ...] = ()
    sparse: tuple[Passage, ...] = ()
    fused: tuple[Passage, ...] = ()
    reranked: tuple[Passage, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    reranker: str | None = None
    threshold: float | None = None
    plan: QueryPlan | None = None
    others: tuple[Legs, ...] = ()


@dataclass(frozen=True, slots=True)
class StageTime:
    """One step of the work: when it began, in seconds since the whole began, and how long it took."""

    name: str
    began_s: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a retrieval was made with: the texts searched for, the models' names with their versions, the steps in time.

    Empty names: not told. `reranker` is None where the passages are as the search ordered them.
    """

    queries: tuple[str, ...] = ()
    embedder: str = ""
    sparse: str = ""
    reranker: str | None = None
    stages: tuple[StageTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages to answer from, best first (empty: nothing relevant was found), and the trace when asked for.

    `relevance` is the best passage's calibrated relevance, 0…1, also when it fell below the threshold. `collection` is the
    version that was searched, such as `docs@3`; empty where nothing was. `suspicious` counts passages that speak to the
    model, those among `passages` and those left out for it; it is known where the retrieval was made.
    `provenance` is what it was made with.
    """

    passages: tuple[Passage, ...]
    relevance: float
    degraded: tuple[str, ...] = ()
    trace: Trace | None = None
    collection: str = ""
    suspicious: int = 0
    provenance: Provenance = field(default_factory=Provenance)
