"""May this version serve: golden questions asked of it and of the one that serves, and the documents of both counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import StoreMismatch
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import GateResult, GoldenQuestion, Miss
from tandem.domain.question import RetrievalOptions
from tandem.domain.viewer import overseer
from tandem.ports.clock import Clock
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors
from tandem.retrieval.metrics import Graded, grade

# Chunks become documents, so more of them than the ten documents that count.
_TOP_K = 50
# As many as lineage keeps and an answer tells.
_MOST_TOLD = 50
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """`metric` as in `retrieval/metrics.py`; it may fall by `max_drop` against the serving version and not below
    `min_measure`. Each tenant keeps at least `min_documents` of its documents, as a share.
    """

    metric: str = "recall@10"
    min_measure: float = 0.0
    max_drop: float = 0.02
    min_documents: float = 0.9


@dataclass(frozen=True, slots=True)
class Asked:
    """How well a version answers the golden questions, and which documents it lacks, by question."""

    graded: Graded
    missing: Mapping[str, tuple[str, ...]]


class Gate:
    """Asks through the whole retrieval, as a reader would, but of one version and seeing every document."""

    def __init__(self, retriever: Retriever, vectors: Vectors, clock: Clock) -> None:
        self._retriever = retriever
        self._vectors = vectors
        self._clock = clock

    async def judge(
        self,
        candidate: str,
        serving: str | None,
        golden: Sequence[GoldenQuestion],
        policy: GatePolicy,
        context: RequestContext,
    ) -> GateResult:
        """What is to be held against `candidate`; without a serving version, only `min_measure` is."""
        counts = await self.counts(candidate)
        before = {} if serving is None else await self.counts(serving)
        refusals = [*lost(before, counts, policy)]
        if serving is not None:
            refusals += [await self._opened(candidate, serving, tenant) for tenant in before if tenant in counts]
        refusals = [refusal for refusal in refusals if refusal]
        asked = await self._asked(candidate, golden, context)
        rival = None if serving is None else await self._rival(serving, golden, context)
        if asked is not None:
            refusals += worse(asked.graded, None if rival is None else rival.graded, policy)
        return GateResult(
            at=self._clock.epoch_s(),
            questions=len(golden),
            metric=policy.metric,
            measure=_measure(asked, policy),
            serving_measure=_measure(rival, policy),
            documents=sum(counts.values()),
            serving_documents=None if serving is None else sum(before.values()),
            refusals=tuple(refusals),
            misses=() if asked is None else misses(asked, rival)[:_MOST_TOLD],
        )

    async def counts(self, version: str) -> dict[str, int]:
        """Documents by tenant."""
        tenants = await self._vectors.tenants(version)
        return {tenant: len(await self._vectors.marks(version, overseer(tenant))) for tenant in tenants}

    async def _opened(self, candidate: str, serving: str, tenant: str) -> str:
        """A refusal when documents with an access list would have none; else empty."""
        closed = {id_ for id_, acl in await self._acls(serving, tenant) if acl}
        opened = sorted(id_ for id_, acl in await self._acls(candidate, tenant) if not acl and id_ in closed)
        if not opened:
            return ""
        told = ", ".join(opened[:5]) + (f" and {len(opened) - 5} more" if len(opened) > 5 else "")
        return f"{len(opened)} documents of {tenant} would lose their access list: {told}"

    async def _acls(self, version: str, tenant: str) -> list[tuple[str, tuple[str, ...]]]:
        found: list[tuple[str, tuple[str, ...]]] = []
        after: str | None = None
        while True:
            page = await self._vectors.documents(version, tenant, limit=_PAGE, after=after, groups=(EVERY_GROUP,))
            found += [(record.id, record.acl) for record in page.records]
            after = page.next_after
            if after is None:
                return found

    async def _rival(self, serving: str, golden: Sequence[GoldenQuestion], context: RequestContext) -> Asked | None:
        """None as well for one whose models this process has not: the way to other models leads past it."""
        try:
            return await self._asked(serving, golden, context)
        except StoreMismatch:
            return None

    async def _asked(self, version: str, golden: Sequence[GoldenQuestion], context: RequestContext) -> Asked | None:
        if not golden:
            return None
        qrels = {each.question: dict.fromkeys(each.document_ids, 1) for each in golden}
        rankings = {each.question: await self._ranking(version, each.question, context) for each in golden}
        missing = {
            each.question: tuple(id_ for id_ in each.document_ids if id_ not in rankings[each.question][:10])
            for each in golden
        }
        return Asked(grade(qrels, rankings), missing)

    async def _ranking(self, version: str, question: str, context: RequestContext) -> list[str]:
        """Documents, best first. In no hurry: what is left out for want of time would be measured as if it were worse."""
        options = RetrievalOptions(collection=version, top_k=_TOP_K, explain=True)
        found = await self._retriever.retrieve(
            question, options, replace(context, deadline_s=None, groups=(EVERY_GROUP,))
        )
        passages = found.passages if found.trace is None else found.trace.reranked or found.trace.fused
        return list(dict.fromkeys(passage.chunk.document_id for passage in passages))


def lost(before: Mapping[str, int], after: Mapping[str, int], policy: GatePolicy) -> list[str]:
    """A refusal for each tenant who would lose too many documents."""
    return [
        f"{tenant} would have {after.get(tenant, 0)} of {count} documents, "
        f"fewer than the {policy.min_documents:.0%} that must be left"
        for tenant, count in sorted(before.items())
        if after.get(tenant, 0) < count * policy.min_documents
    ]


def worse(asked: Graded, rival: Graded | None, policy: GatePolicy) -> list[str]:
    """Refusals by the golden questions."""
    measure = asked.means[policy.metric]
    refusals = []
    if not any(asked.means.values()):
        # Then the questions are of other documents, and would let everything pass.
        refusals.append("not one golden question finds a document of its own")
    if measure < policy.min_measure:
        refusals.append(f"{policy.metric} is {measure:.4f}, below {policy.min_measure:.4f}")
    if rival is not None and measure < rival.means[policy.metric] - policy.max_drop:
        refusals.append(
            f"{policy.metric} is {measure:.4f}, the serving version has {rival.means[policy.metric]:.4f} "
            f"(it may fall by {policy.max_drop:.4f})"
        )
    return refusals


def misses(asked: Asked, rival: Asked | None) -> tuple[Miss, ...]:
    """Questions whose documents are not all found: first those for which the serving version found more."""
    found = [
        Miss(question, missing, rival is not None and len(missing) > len(rival.missing[question]))
        for question, missing in asked.missing.items()
        if missing
    ]
    return tuple(sorted(found, key=lambda miss: not miss.regressed))


def _measure(asked: Asked | None, policy: GatePolicy) -> float | None:
    return None if asked is None else round(asked.graded.means[policy.metric], 6)
