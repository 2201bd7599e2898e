from dataclasses import dataclass, field, replace

import pytest

from fakes.passages import passage
from tandem.adapters.cache.memory import MemoryCache
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.domain.answer import Found
from tandem.domain.context import RequestContext
from tandem.domain.filters import Condition
from tandem.domain.generation import ModelCard, Usage
from tandem.domain.passage import Retrieval
from tandem.domain.query import Query, Wording
from tandem.domain.question import Message, Question, RetrievalOptions, Sampling
from tandem.pipeline.caching import AnswerCache, CachedRetrieval, KeptAnswer, Lookup, Sameness

HARBOUR = passage("The harbour opens at seven.")
ME = RequestContext("r", tenant="blue", groups=("crew",))
ASKED = "When does the harbour open?"


@dataclass
class Shelf:
    """What a cached retrieval asks of the store."""

    version: str = "docs@1"
    writes: int = 0

    async def resolve(self, name: str) -> str:
        return self.version if name == "docs" else name

    def changes(self, _name: str) -> int:
        return self.writes


@dataclass
class Counted:
    looked_up: list[tuple[str, Lookup]] = field(default_factory=list)

    def cache_looked_up(self, cache: str, result: Lookup) -> None:
        self.looked_up.append((cache, result))


@dataclass
class Kept:
    sameness: Sameness = "exact"
    inner: ScriptedRetriever = field(default_factory=lambda: ScriptedRetriever([HARBOUR]))
    shelf: Shelf = field(default_factory=Shelf)
    meter: Counted = field(default_factory=Counted)

    def __post_init__(self) -> None:
        self.clock = ScriptedClock()
        cache: MemoryCache[Retrieval] = MemoryCache(self.clock, max_bytes=100_000, ttl_s=200_000)
        self.cached = CachedRetrieval(self.inner, self.shelf, cache, self.sameness, self.meter, self.clock)  # type: ignore[arg-type]

    async def ask(
        self, question: str = ASKED, options: RetrievalOptions | None = None, context: RequestContext = ME
    ) -> int:
        """How often the store was asked in all."""
        await self.cached.retrieve(question, options or RetrievalOptions(), context)
        return len(self.inner.asked)


async def test_the_same_question_is_searched_for_once() -> None:
    kept = Kept()
    assert await kept.ask() == 1
    assert await kept.ask(f"  {ASKED.upper()} ") == 1
    assert await kept.cached.retrieve(ASKED, RetrievalOptions(), ME) == Retrieval((HARBOUR,), 1.0)
    assert kept.meter.looked_up == [("retrieval", "miss"), ("retrieval", "hit"), ("retrieval", "hit")]


OTHERS = {
    "tenant": (ASKED, RetrievalOptions(), replace(ME, tenant="red")),
    "groups": (ASKED, RetrievalOptions(), replace(ME, groups=())),
    "more-groups": (ASKED, RetrievalOptions(), replace(ME, groups=("crew", "captain"))),
    "filters": (ASKED, RetrievalOptions(filters=(Condition("tags", ("port",)),)), ME),
    "number": (ASKED, RetrievalOptions(top_k=3), ME),
    "collection": (ASKED, RetrievalOptions(collection="docs@7"), ME),
    "wording": (ASKED, RetrievalOptions(wording=Wording((Query("Opening hours", "expansion"),))), ME),
    "question": ("When does the harbour close?", RetrievalOptions(), ME),
}


@pytest.mark.parametrize(("question", "options", "context"), OTHERS.values(), ids=OTHERS.keys())
async def test_whatever_an_answer_depends_on_tells_entries_apart(
    question: str, options: RetrievalOptions, context: RequestContext
) -> None:
    kept = Kept("semantic")
    await kept.ask()
    assert await kept.ask(question, options, context) == 2
    # And both stay.
    assert await kept.ask() == 2


async def test_the_order_of_groups_is_none_of_its_business() -> None:
    kept = Kept()
    await kept.ask(context=replace(ME, groups=("a", "b")))
    assert await kept.ask(context=replace(ME, groups=("b", "a"))) == 1


async def test_a_promotion_and_a_write_make_what_was_kept_unreachable() -> None:
    kept = Kept()
    await kept.ask()
    kept.shelf.version = "docs@2"
    assert await kept.ask() == 2
    kept.shelf.writes += 1
    assert await kept.ask() == 3


async def test_tomorrow_is_another_day() -> None:
    kept = Kept()
    await kept.ask("What changed last week?")
    kept.clock.advance(86_400)
    assert await kept.ask("What changed last week?") == 2


async def test_what_changed_while_it_was_searched_for_is_not_kept() -> None:
    kept = Kept()
    inner = kept.inner

    class Written(ScriptedRetriever):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            kept.shelf.writes += 1
            return await inner.retrieve(question, options, context)

    cached = replace(kept.cached, inner=Written())
    await cached.retrieve(ASKED, RetrievalOptions(), ME)
    assert await kept.ask() == 2


async def test_what_was_cut_short_is_not_kept() -> None:
    kept = Kept()

    class Hurried(ScriptedRetriever):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            return replace(await kept.inner.retrieve(question, options, context), degraded=("rerank_skipped",))

    cached = replace(kept.cached, inner=Hurried())
    for _ in range(2):
        await cached.retrieve(ASKED, RetrievalOptions(), ME)
    assert len(kept.inner.asked) == 2


@pytest.mark.parametrize("options", [RetrievalOptions(explain=True), RetrievalOptions(cache=False)])
async def test_who_wants_to_see_it_done_does(options: RetrievalOptions) -> None:
    kept = Kept()
    await kept.ask()
    assert await kept.ask(options=options) == 2
    assert kept.meter.looked_up[-1] == ("retrieval", "bypass")


async def test_another_way_of_asking_is_the_same_question_when_meaning_counts() -> None:
    for sameness, searched in (("semantic", 1), ("exact", 2)):
        kept = Kept(sameness)  # type: ignore[arg-type]
        await kept.ask()
        assert await kept.ask("When do the harbours open") == searched


MODEL = ModelCard("m", "tgi", 4096, "r1")
FOUND = Retrieval((HARBOUR,), 1.0, collection="docs@1")
GREEDY = Sampling(temperature=0.0)
SAID = KeptAnswer("At seven [1].", "stop", Usage(9, 4))


def answers(which: str = "greedy") -> AnswerCache:
    cache: MemoryCache[KeptAnswer] = MemoryCache(ScriptedClock(), max_bytes=100_000, ttl_s=60)
    return AnswerCache(cache, which, "exact", Counted())  # type: ignore[arg-type]


def asked(sampling: Sampling = GREEDY, cache: bool | None = None, *conversation: Message) -> Question:
    return Question(ASKED, conversation, RetrievalOptions(cache=cache), sampling)


FIRST = Found(FOUND, ASKED, MODEL, "answer@1")


def test_an_equal_answer_is_given_again() -> None:
    kept = answers()
    assert kept.find(asked(), FIRST, ME) is None
    kept.keep(asked(), FIRST, ME, SAID)
    assert kept.find(asked(), replace(FIRST, question=ASKED.lower()), ME) == SAID


DIFFERENT = {
    "question": (replace(FIRST, question="When does it close?"), ME, asked()),
    "prompt": (replace(FIRST, prompt="answer@2"), ME, asked()),
    "version": (replace(FIRST, retrieval=replace(FOUND, collection="docs@2")), ME, asked()),
    "passages": (
        replace(FIRST, retrieval=replace(FOUND, passages=(passage("The harbour opens at eight."),))),
        ME,
        asked(),
    ),
    "revision": (replace(FIRST, model=replace(MODEL, revision="r2")), ME, asked()),
    "tenant": (FIRST, replace(ME, tenant="red"), asked()),
    "groups": (FIRST, replace(ME, groups=()), asked()),
    "length": (FIRST, ME, asked(Sampling(max_tokens=5, temperature=0.0))),
    "conversation": (FIRST, ME, asked(GREEDY, None, Message("user", "Hello."))),
}


@pytest.mark.parametrize(("found", "context", "question"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_an_answer_from_anything_else_is_another(found: Found, context: RequestContext, question: Question) -> None:
    kept = answers()
    kept.keep(asked(), FIRST, ME, SAID)
    assert kept.find(question, found, context) is None


@pytest.mark.parametrize(
    ("which", "question", "takes_part"),
    [
        ("off", asked(cache=True), False),
        ("greedy", asked(), True),
        ("greedy", asked(Sampling()), False),
        ("greedy", asked(Sampling(temperature=0.7)), False),
        ("greedy", asked(Sampling(temperature=0.7), True), True),
        ("greedy", asked(GREEDY, False), False),
        ("all", asked(Sampling(temperature=0.7)), True),
        ("all", asked(Sampling(temperature=0.7), False), False),
    ],
)
def test_sampled_answers_are_kept_only_when_asked_for(which: str, question: Question, takes_part: bool) -> None:
    kept = answers(which)
    assert kept.takes(question) is takes_part
    kept.keep(question, FIRST, ME, SAID)
    assert (kept.find(question, FIRST, ME) is not None) is takes_part


def test_an_answer_that_was_cut_is_not_kept() -> None:
    kept = answers()
    kept.keep(asked(), FIRST, ME, replace(SAID, finish_reason="length"))
    assert kept.find(asked(), FIRST, ME) is None
