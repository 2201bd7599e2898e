"""What was found or answered before, given again: only to those who may see it, and only while it would still be the same."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from tandem.domain.answer import Found
from tandem.domain.context import RequestContext
from tandem.domain.generation import FinishReason, Usage
from tandem.domain.passage import Passage, Retrieval
from tandem.domain.question import Question, RetrievalOptions
from tandem.ports.cache import Cache
from tandem.ports.clock import Clock
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors
from tandem.retrieval.sameness import folded, wording

Sameness = Literal["exact", "semantic"]
Lookup = Literal["hit", "miss", "bypass"]
# Which answers may be kept: `greedy` ones, or all when the request asks for it.
_GREEDY = 0.0
_DAY_S = 86_400


class CacheMeter(Protocol):
    """Counts look-ups by what they were for."""

    def cache_looked_up(self, cache: str, result: Lookup) -> None:
        """`bypass`: the request may not be answered from the cache."""
        ...


def form(sameness: Sameness) -> Callable[[str], Hashable]:
    """What two questions must have in common to be one."""
    return wording if sameness == "semantic" else folded


@dataclass(frozen=True, slots=True)
class CachedRetrieval:
    """`ports/retriever.py` around another one, beside the store.

    The key holds tenant, groups, the version that serves, how often this process has changed it, all options, and the
    question's form: a promotion or a write makes what was kept unreachable at once. What other processes write to a shared
    store is seen when the entry's time is over.
    """

    inner: Retriever
    vectors: Vectors
    kept: Cache[Retrieval]
    sameness: Sameness
    meter: CacheMeter
    clock: Clock

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port. Explained requests go the whole way, as they are about it."""
        if options.explain or options.cache is False:
            self.meter.cache_looked_up("retrieval", "bypass")
            return await self.inner.retrieve(question, options, context)
        key = await self._key(question, options, context)
        kept = self.kept.find(key)
        if kept is not None:
            self.meter.cache_looked_up("retrieval", "hit")
            # Its steps were another request's.
            return replace(kept, provenance=replace(kept.provenance, stages=()))
        self.meter.cache_looked_up("retrieval", "miss")
        found = await self.inner.retrieve(question, options, context)
        # What was left out for want of time, this time, is not what the next one should get.
        if not found.degraded and key == await self._key(question, options, context):
            self.kept.keep(key, found, size(found.passages))
        return found

    async def _key(self, question: str, options: RetrievalOptions, context: RequestContext) -> Hashable:
        version = await self.vectors.resolve(options.collection)
        worded = options.wording
        return (
            context.tenant,
            frozenset(context.groups),
            version,
            self.vectors.changes(version),
            replace(options, collection=version, cache=None, wording=None),
            None if worded is None else (worded.queries, worded.filters),
            form(self.sameness)(question),
            # "Last week" is another one tomorrow.
            int(self.clock.epoch_s() // _DAY_S),
        )


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer, as the model gave it."""

    text: str
    finish_reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """Answers by all that they came from; looked up when retrieval is done, so that they are never older than the passages.

    `which`: `off`; `greedy` keeps what is asked for with temperature 0, where the model would say the same again, and
    whatever a request asks to be kept (`tandem.cache: true`); `all` keeps every answer, unless a request asks not to.
    """

    kept: Cache[KeptAnswer]
    which: Literal["off", "greedy", "all"]
    sameness: Sameness
    meter: CacheMeter

    def takes(self, question: Question) -> bool:
        """True when the request may be answered from here, and its answer kept."""
        wish = question.retrieval.cache
        if self.which == "off" or wish is False or question.retrieval.explain:
            return False
        return wish is True or self.which == "all" or question.sampling.temperature == _GREEDY

    def find(self, question: Question, found: Found, context: RequestContext) -> KeptAnswer | None:
        """The answer of an equal question over equal passages, when the request takes part."""
        kept = self.kept.find(self._key(question, found, context))
        self.meter.cache_looked_up("answer", "miss" if kept is None else "hit")
        return kept

    def keep(self, question: Question, found: Found, context: RequestContext, answer: KeptAnswer) -> None:
        """Only when the request takes part, and the answer came to its own end: a cut one may be whole next time."""
        if self.takes(question) and answer.finish_reason == "stop":
            room = len(answer.text) + size(found.retrieval.passages)
            self.kept.keep(self._key(question, found, context), answer, room)

    def _key(self, question: Question, found: Found, context: RequestContext) -> Hashable:
        return (
            context.tenant,
            frozenset(context.groups),
            found.retrieval.collection,
            found.prompt,
            (found.model.id, found.model.revision, found.model.engine),
            question.sampling,
            question.conversation,
            form(self.sameness)(found.question),
            tuple((passage.chunk.id, passage.chunk.text) for passage in found.retrieval.passages),
        )


@dataclass(frozen=True, slots=True)
class NothingKept:
    """`ports/cache.py` that holds nothing."""

    def find(self, key: Hashable) -> None:
        """See the port."""

    def keep(self, key: Hashable, value: object, size: int) -> None:
        """See the port."""


@dataclass(frozen=True, slots=True)
class NotCounted:
    """A meter for where nobody looks."""

    def cache_looked_up(self, cache: str, result: Lookup) -> None:
        """See `CacheMeter`."""


def no_answers() -> AnswerCache:
    """Keeps nothing."""
    return AnswerCache(NothingKept(), "off", "exact", NotCounted())


def size(passages: Sequence[Passage]) -> int:
    """Bytes, about: the text dwarfs the rest."""
    return sum(2 * len(passage.chunk.text) + 500 for passage in passages)
