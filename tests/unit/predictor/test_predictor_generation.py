"""From a job to its end: what the engine is asked, and what is held back."""

from contextlib import aclosing
from typing import Any

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest
from tandem.domain.question import Sampling
from tandem.http.predictor.faults import IncompleteGeneration
from tandem.http.predictor.generation import End, Piece, Source
from tandem.http.predictor.job import Job, admit
from tandem.http.predictor.requests import Parameters
from tandem.http.predictor.tgi_dialect import finish_reason

CONTEXT = RequestContext("r-1")
PIECES = ("one", " two", " three")


async def run(engine: ScriptedEngine, **parameters: Any) -> tuple[list[Piece], End]:
    source = Source(engine, ScriptedClock(), lambda: 11)
    async with aclosing(source.run(Job("a b", Parameters(**parameters)), CONTEXT)) as events:
        *pieces, end = [event async for event in events]
    assert isinstance(end, End)
    return [piece for piece in pieces if isinstance(piece, Piece)], end


async def test_the_last_piece_waits_for_the_end_only_where_it_is_surely_the_last() -> None:
    pieces, end = await run(ScriptedEngine(PIECES), max_new_tokens=2)
    assert (pieces, end.last, finish_reason(end)) == ([Piece(1, "one")], " two", "length")
    pieces, end = await run(ScriptedEngine(PIECES))
    assert (len(pieces), end.last, end.text, finish_reason(end)) == (3, None, "one two three", "eos_token")


async def test_a_stop_sequence_is_told_from_the_models_own_end() -> None:
    _, end = await run(ScriptedEngine(PIECES), stop=[" two"])
    assert (finish_reason(end), end.text) == ("stop_sequence", "one two")
    assert finish_reason((await run(ScriptedEngine(PIECES), stop=["never"]))[1]) == "eos_token"


async def test_a_stream_without_its_end_is_incomplete() -> None:
    with pytest.raises(IncompleteGeneration):
        await run(ScriptedEngine(PIECES, cut_after=1))


async def test_leaving_early_leaves_the_engine() -> None:
    engine = ScriptedEngine(PIECES)
    async with aclosing(Source(engine, ScriptedClock(), lambda: 0).run(Job("a b", Parameters()), CONTEXT)) as events:
        await anext(events)
        assert engine.load.running == 1
    assert (engine.load.running, engine.left_early) == (0, 1)


GREEDY = Sampling(max_tokens=766, temperature=0.0)


@pytest.mark.parametrize(
    ("asked", "sampling"),
    [
        ({}, GREEDY),
        # TGI samples for a temperature that changes the odds; 1 does not.
        ({"temperature": 1.0}, GREEDY),
        ({"do_sample": True}, Sampling(max_tokens=766, temperature=1.0, seed=11)),
        ({"temperature": 0.5, "seed": 4}, Sampling(max_tokens=766, temperature=0.5, seed=4)),
        ({"top_p": 0.9}, Sampling(max_tokens=766, temperature=1.0, top_p=0.9, seed=11)),
        ({"max_new_tokens": 3, "stop": ["."]}, Sampling(max_tokens=3, temperature=0.0, stop=(".",))),
    ],
)
async def test_how_tokens_are_picked(asked: dict[str, Any], sampling: Sampling) -> None:
    admitted = await admit(Job("a b", Parameters(**asked)), ScriptedEngine(PIECES), lambda: 11)
    assert admitted.sampling == sampling


async def test_truncation() -> None:
    engine = ScriptedEngine(PIECES)
    kept = await admit(Job("a b c d", Parameters(truncate=2)), engine, lambda: 0)
    assert (kept.text, kept.input_tokens) == (" c d", 2)
    whole = await admit(Job("a b", Parameters(truncate=2)), engine, lambda: 0)
    assert (whole.text, whole.input_tokens) == ("a b", 2)


async def test_empty_input_comes_before_truncation_and_lengths() -> None:
    with pytest.raises(InvalidRequest, match="`inputs` cannot be empty"):
        await admit(Job("", Parameters(truncate=0, max_new_tokens=5000)), ScriptedEngine(PIECES), lambda: 0)
    with pytest.raises(InvalidRequest, match="`truncate` must be"):
        await admit(Job("a", Parameters(truncate=0, max_new_tokens=5000)), ScriptedEngine(PIECES), lambda: 0)
