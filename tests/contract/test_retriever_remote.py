"""What a retriever behind a socket must keep of the one it stands for."""

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from fakes.answers import PASSAGE, OneRetrieval
from fakes.api import Api
from fakes.faulty import Fault, Heard, faulty
from fakes.leaks import nothing_leaks
from fakes.live import live
from tandem.adapters.remote.ingestor import remote_ingestor
from tandem.adapters.remote.retriever import remote_retriever
from tandem.admission.keys import Key
from tandem.domain import errors
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import TandemError
from tandem.domain.filters import Condition
from tandem.domain.passage import Dropped, Legs, Passage, Provenance, Retrieval, Scores, StageTime, Trace
from tandem.domain.query import Query, QueryPlan, Wording
from tandem.domain.question import RetrievalOptions
from tandem.domain.span import SpanContext
from tandem.ports.retriever import Retriever

OTHER = Passage(
    replace(PASSAGE.chunk, ordinal=4, page=2, title_path=()), "Guide", "https://host/a?b=c", Scores(rerank=-3.5)
)
PARTS = (
    Chunk("guide.md", 3, "Opens at seven. Closes", ("Guide",), 100, 122, 6, 4),
    Chunk("guide.md", 4, "Closes at nine.", ("Guide", "Hours"), 116, 131, 5, None),
)
WIDE = Passage(
    replace(PARTS[1], text="Opens at seven. Closes at nine.", start=100, tokens=11),
    "Guide",
    "guide.md",
    Scores(marginal=0.5),
    ("instruction",),
    PARTS,
)
MADE = Provenance(("when",), "minilm@1", "bm25", "blend@1", (StageTime("embed", 0.25, 0.5),))
FOUND = Retrieval((PASSAGE, OTHER, WIDE), 0.875, ("rerank_skipped",), collection="docs@3", provenance=MADE)
TRACED = replace(
    FOUND,
    trace=Trace(
        queries=("a", "b"),
        dense=(PASSAGE,),
        sparse=(OTHER,),
        fused=(PASSAGE, OTHER),
        reranked=(OTHER,),
        dropped=(Dropped(OTHER, "near_duplicate", PASSAGE.chunk.id), Dropped(PASSAGE, "over_top_k")),
        timings_s={"embed": 0.0123},
        reranker="words",
        threshold=0.25,
        plan=QueryPlan(
            (Query("a"), Query("b", "hypothetical", 0.5, sparse=False)),
            (Condition("author", any_of=("Jo",)), Condition("created_at", at_least=1.0)),
            ("old pier",),
            ("rule author: Jo",),
            "a by Jo",
        ),
        others=(Legs("b", (OTHER,), ()),),
    ),
)
FILTERS = (
    Condition("tags", any_of=("a", "ü")),
    Condition("modified_at", at_least=1.5),
    Condition("source", any_of=("s",)),
    Condition("path", any_of=("guide/", "a.md")),
    Condition("page", at_least=2.0, at_most=3.0),
    Condition("created_at", at_most=-1.5),
    Condition("author", any_of=("Ann Lee",)),
)
WORDING = Wording(
    (Query("how much is a berth?", "expansion", 0.25), Query("A berth costs four.", "hypothetical", 0.5, sparse=False)),
    FILTERS,
    ("expand: 2 by both@1",),
    ("standalone_failed",),
    {"expand": 0.25},
)
FULL = RetrievalOptions(
    "notes",
    7,
    FILTERS,
    rerank=False,
    expand=True,
    self_query=False,
    neighbours="section",
    diversity=0.25,
    explain=True,
    wording=WORDING,
)
CONTEXT = RequestContext("req-1", span=SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", state="a=1"))


def failed_at(stage: str) -> TandemError:
    error = errors.UpstreamFailed("broke in the store")
    error.stage = stage
    return error


ERRORS: list[TandemError] = [
    errors.InvalidRequest("no", hint="do", param="filters.tags"),
    errors.UnknownCollection("none", param="collection"),
    errors.ContextTooLong("long"),
    errors.PayloadTooLarge("big"),
    errors.Overloaded("full", retry_after_s=7),
    errors.DeadlineExceeded("embedding"),
    errors.RateLimited("spent", retry_after_s=7),
    errors.UpstreamUnavailable("away", hint="wait", stage="retrieval", retry_after_s=7),
    errors.UpstreamFailed("broke"),
    failed_at("retrieval"),
    errors.StoreBusy("held", hint="stop it"),
    errors.StoreFull("full"),
    errors.StoreMismatch("other"),
]

StandIn = Callable[[OneRetrieval], AbstractAsyncContextManager[Retriever]]


@asynccontextmanager
async def local(double: OneRetrieval) -> AsyncIterator[Retriever]:
    yield double


@asynccontextmanager
async def remote(double: OneRetrieval) -> AsyncIterator[Retriever]:
    async with (
        live(Api(retriever=double, trust_tenant=True).app) as url,
        remote_retriever(url, timeout_s=10) as retriever,
    ):
        yield retriever


@pytest.fixture(params=[local, remote])
def standing_for(request: pytest.FixtureRequest) -> StandIn:
    found: StandIn = request.param
    return found


@pytest.mark.parametrize(
    ("result", "options"), [(FOUND, RetrievalOptions()), (TRACED, FULL), (Retrieval((), 0.1), FULL)]
)
async def test_what_goes_in_and_out_is_the_same(
    standing_for: StandIn, result: Retrieval, options: RetrievalOptions
) -> None:
    double = OneRetrieval(result)
    async with standing_for(double) as retriever:
        assert await retriever.retrieve("When? “ü” 🚢", options, CONTEXT) == result
    [(question, asked, context)] = double.asked
    assert (question, asked) == ("When? “ü” 🚢", options)
    assert (context.request_id, context.tenant) == ("req-1", "default")
    assert context.span is not None and CONTEXT.span is not None
    assert (context.span.trace_id, context.span.sampled, context.span.state) == (CONTEXT.span.trace_id, True, "a=1")
    # In another process it is called by the caller's span.
    assert CONTEXT.span.span_id in {context.span.span_id, context.span.parent_id}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
async def test_the_same_error_comes_out(standing_for: StandIn, error: TandemError) -> None:
    async with standing_for(OneRetrieval(error)) as retriever:
        with pytest.raises(type(error)) as caught:
            await retriever.retrieve("q", RetrievalOptions(), CONTEXT)
    told = caught.value
    assert type(told) is type(error)
    assert (told.message, told.hint, told.param) == (error.message, error.hint, error.param)
    for more in ("retry_after_s", "stage"):
        assert getattr(told, more, None) == getattr(error, more, None)


async def test_the_rest_of_the_deadline_travels() -> None:
    double = OneRetrieval()
    async with remote(double) as retriever:
        await retriever.retrieve("q", RetrievalOptions(), replace(CONTEXT, deadline_s=time.monotonic() + 20))
        with pytest.raises(errors.DeadlineExceeded):
            await retriever.retrieve("q", RetrievalOptions(), replace(CONTEXT, deadline_s=time.monotonic() - 1))
    [(_, _, context)] = double.asked
    assert context.deadline_s is not None
    assert 0 < context.deadline_s - time.monotonic() <= 20


async def test_the_peer_runs_out_of_time_a_little_before_us_so_that_its_stage_is_told() -> None:
    class Embedding(OneRetrieval):
        async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
            assert context.deadline_s is not None
            await asyncio.sleep(context.deadline_s - time.monotonic())
            raise errors.DeadlineExceeded("embed")

    async with remote(Embedding()) as retriever:
        for left_s in (0.6, 1.2):
            with pytest.raises(errors.DeadlineExceeded) as caught:
                await retriever.retrieve(
                    "q", RetrievalOptions(), replace(CONTEXT, deadline_s=time.monotonic() + left_s)
                )
            assert caught.value.stage == "embed"


async def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with remote_retriever(f"http://127.0.0.1:{port}", timeout_s=5) as retriever:
        with pytest.raises(errors.UpstreamUnavailable, match="cannot be reached") as caught:
            await retriever.retrieve("q", RetrievalOptions(), CONTEXT)
    assert caught.value.stage == "retrieval"


@pytest.mark.parametrize(
    ("left_s", "timeout_s", "kind"), [(None, 0.05, errors.UpstreamUnavailable), (0.05, 5, errors.DeadlineExceeded)]
)
async def test_silence_ends_at_the_nearer_bound(
    left_s: float | None, timeout_s: float, kind: type[TandemError]
) -> None:
    # It accepts connections into its backlog and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with remote_retriever(url, timeout_s=timeout_s) as retriever:
            context = CONTEXT if left_s is None else replace(CONTEXT, deadline_s=time.monotonic() + left_s)
            with pytest.raises(kind):
                await retriever.retrieve("q", RetrievalOptions(), context)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"{}", errors.UpstreamFailed),
        (200, b"<html>", errors.UpstreamFailed),
        (502, b"bad gateway", errors.UpstreamUnavailable),
        (404, b"", errors.UpstreamFailed),
        (301, b"", errors.UpstreamFailed),
    ],
)
async def test_something_that_is_no_tandem(status: int, content: bytes, kind: type[TandemError]) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"/elsewhere")]})
        await send({"type": "http.response.body", "body": content})

    async with live(app) as url, remote_retriever(url, timeout_s=5) as retriever:
        with pytest.raises(kind):
            await retriever.retrieve("q", RetrievalOptions(), CONTEXT)


def found(_: Heard) -> tuple[int, bytes]:
    return 200, b'{"passages": [], "relevance": 0.5, "degraded": []}'


@pytest.mark.parametrize("fault", ["hangup", "reset", "half"])
async def test_a_read_is_made_again_once_when_a_kept_connection_turns_out_dead(fault: Fault) -> None:
    ask = ("q", RetrievalOptions(), CONTEXT)
    async with faulty(found) as server, remote_retriever(server.url, timeout_s=5) as retriever:
        server.delay_s = 0.05
        await asyncio.gather(*(retriever.retrieve(*ask) for _ in range(6)))
        kept, server.delay_s = server.connections, 0.0
        assert kept == 6
        server.fault = lambda heard: fault if heard.connection <= kept else None
        assert [each.relevance for each in await asyncio.gather(*(retriever.retrieve(*ask) for _ in range(6)))] == [
            0.5
        ] * 6
        server.fault = fault
        server.heard.clear()
        with pytest.raises(errors.UpstreamUnavailable):
            await retriever.retrieve(*ask)
        assert len(server.heard) == 2


async def test_what_may_change_something_is_not_made_again() -> None:
    async with faulty(found) as server, remote_ingestor(server.url, timeout_s=5) as ingestor:
        server.fault = "hangup"
        with pytest.raises(errors.UpstreamUnavailable):
            await ingestor.settle("docs")
        assert len(server.heard) == 1


async def test_a_peer_that_was_restarted_is_found_again_and_nothing_leaks() -> None:
    ask = ("q", RetrievalOptions(), CONTEXT)
    async with faulty(found) as server, remote_retriever(server.url, timeout_s=0.2) as retriever, nothing_leaks():
        faults: list[Fault] = ["silent", "hangup", "reset", "half", "garbage"]
        for fault in faults:
            server.fault = fault
            for told in await asyncio.gather(*(retriever.retrieve(*ask) for _ in range(4)), return_exceptions=True):
                assert isinstance(told, errors.UpstreamUnavailable), fault
        await server.stop()
        with pytest.raises(errors.UpstreamUnavailable):
            await retriever.retrieve(*ask)
        server.fault = None
        await server.start()
        await retriever.retrieve(*ask)
        await server.stop()
        await asyncio.sleep(0)
        await server.start()


def key(name: str, secret: str, tenant: str = "default", *, peer: bool = False) -> Key:
    return Key(name, hashlib.sha256(secret.encode()).hexdigest(), tenant, peer)


async def test_only_a_peer_s_key_speaks_for_tenants() -> None:
    double = OneRetrieval()
    keys = [key("gateway", "g-secret", peer=True), key("someone", "s-secret", tenant="acme")]
    ask = ("q", RetrievalOptions(), replace(CONTEXT, tenant="north"))
    async with live(Api(retriever=double, keys=keys).app) as url:
        async with remote_retriever(url, api_key="g-secret", timeout_s=5) as gateway:
            await gateway.retrieve(*ask)
        for wrong in ("s-secret", "unknown", None):
            async with remote_retriever(url, api_key=wrong, timeout_s=5) as other:
                with pytest.raises(errors.UpstreamFailed, match="refuses the key"):
                    await other.retrieve(*ask)
    assert [context.tenant for _, _, context in double.asked] == ["north"]


async def test_without_keys_a_tenant_is_believed_only_when_told_so() -> None:
    double = OneRetrieval()
    ask = ("q", RetrievalOptions(), replace(CONTEXT, tenant="north"))
    async with live(Api(retriever=double).app) as url, remote_retriever(url, timeout_s=5) as retriever:
        with pytest.raises(errors.UpstreamFailed, match="tenant"):
            await retriever.retrieve(*ask)
    async with remote(double) as retriever:
        await retriever.retrieve(*ask)
    assert [context.tenant for _, _, context in double.asked] == ["north"]
