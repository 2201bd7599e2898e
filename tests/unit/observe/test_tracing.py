"""Which traces are kept, and what they are made of."""

from collections.abc import Sequence

import pytest

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.span import Span, SpanContext
from tandem.domain.steps import MOST_STEPS, Step, Work, enter, here, leave, trace_headers
from tandem.observe.steps import stepped
from tandem.observe.tracing import Keeping, Tracing
from tandem.ports.tracer import Served

SAMPLED = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")
UNSAMPLED = SpanContext(SAMPLED.trace_id, SAMPLED.span_id, SAMPLED.parent_id, sampled=False, state="a=b")


class Kept:
    """Spans, as they were offered."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def offer(self, spans: Sequence[Span]) -> None:
        self.spans += spans


def served(*, recorded: bool = False, error: str | None = None) -> Served:
    return Served("GET /x", {"http.route": "/x"}, error, recorded)


def work(tracing: Tracing, span: SpanContext, clock: ScriptedClock) -> Work:
    return tracing.begin(span, clock.monotonic_s())


async def test_steps_become_spans_below_the_request_with_the_ids_that_others_were_told() -> None:
    clock, kept = ScriptedClock(), Kept()
    tracing = Tracing(kept, clock, Keeping())
    request = work(tracing, SAMPLED, clock)
    token = enter(request)
    with Step("retrieval"):
        clock.advance(1)
        with Step("search") as step:
            told = trace_headers()
            clock.advance(2)
            step.tell("tandem.collection", "docs@1")
        with Step("search"):
            clock.advance(0.5)
    leave(token)
    assert here() is None
    assert trace_headers() == {}
    tracing.tell(request, served())
    whole, search, again, retrieval = kept.spans
    assert (whole.context, whole.kind, whole.name) == (SAMPLED, "server", "GET /x")
    assert retrieval.context == SAMPLED.child("retrieval")
    assert search.context == SAMPLED.child("retrieval").child("search")
    assert again.context == SAMPLED.child("retrieval").child("search/2")
    assert told == {"traceparent": search.context.traceparent}
    assert search.attributes == {"tandem.collection": "docs@1"}
    assert (search.began_at - whole.began_at, search.ended_at - search.began_at) == (1, 2)
    assert whole.ended_at == clock.epoch_s()


@pytest.mark.parametrize(
    ("span", "failed", "took_s", "keeps"),
    [
        (SAMPLED, False, 0, True),
        (UNSAMPLED, False, 9.9, False),
        (UNSAMPLED, True, 0, True),
        (UNSAMPLED, False, 10, True),
    ],
)
def test_a_failed_or_slow_request_is_kept_though_nobody_sampled_it(
    span: SpanContext, failed: bool, took_s: float, keeps: bool
) -> None:
    clock = ScriptedClock()
    tracing = Tracing(Kept(), clock, Keeping(slow_s=10))
    request = work(tracing, span, clock)
    clock.advance(took_s)
    assert tracing.keeps(request, failed=failed) is keeps


@pytest.mark.parametrize(("elsewhere", "spans"), [(True, 0), (False, 1)])
def test_what_a_record_tells_is_not_told_twice(elsewhere: bool, spans: int) -> None:
    clock, kept = ScriptedClock(), Kept()
    tracing = Tracing(kept, clock, Keeping(answers_recorded=elsewhere))
    tracing.tell(work(tracing, SAMPLED, clock), served(recorded=True))
    assert len(kept.spans) == spans


@pytest.mark.parametrize(("ratio", "of_ten"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_the_traces_id_decides_alike_everywhere(ratio: float, of_ten: int) -> None:
    tracing = Tracing(Kept(), ScriptedClock(), Keeping(ratio=ratio))
    ids = [f"{'0' * 16}{(tenth << 64) // 10 + 1:016x}" for tenth in range(10)]
    assert sum(map(tracing.samples, ids)) == of_ten


async def test_an_error_is_told_by_its_code_and_never_by_its_message() -> None:
    clock, kept = ScriptedClock(), Kept()
    tracing = Tracing(kept, clock, Keeping())
    with pytest.raises(UpstreamUnavailable), tracing.background("ingest", {"tandem.tenant": "acme"}), Step("store"):
        raise UpstreamUnavailable("canary")
    whole, store = kept.spans
    assert (whole.error, store.error) == ("upstream_unavailable", "upstream_unavailable")
    assert (whole.kind, whole.attributes) == ("internal", {"tandem.tenant": "acme"})
    assert "canary" not in repr(kept.spans)


async def test_background_work_inside_a_request_is_a_step_of_it() -> None:
    clock, kept = ScriptedClock(), Kept()
    tracing = Tracing(kept, clock, Keeping())
    request = work(tracing, SAMPLED, clock)
    token = enter(request)
    with tracing.background("ingest", {}) as span:
        assert span == SAMPLED.child("ingest")
    leave(token)
    assert kept.spans == []
    assert [step.name for step in request.steps] == ["ingest"]


def test_a_piece_of_work_keeps_so_many_steps_and_tells_how_many_it_left_out() -> None:
    clock, kept = ScriptedClock(), Kept()
    tracing = Tracing(kept, clock, Keeping())
    request = work(tracing, SAMPLED, clock)
    token = enter(request)
    for _ in range(MOST_STEPS + 3):
        with Step("search"):
            pass
    leave(token)
    tracing.tell(request, served())
    assert len(kept.spans) == MOST_STEPS + 1
    assert kept.spans[0].attributes["tandem.steps_left_out"] == 3


def test_a_step_that_nobody_follows_costs_nothing_and_tells_nothing() -> None:
    with Step("search") as step:
        step.tell("a", 1)
    assert step.attributes is None
    assert (step.began_s, trace_headers()) == (0.0, {})


def test_the_clients_tracestate_goes_along() -> None:
    clock = ScriptedClock()
    token = enter(work(Tracing(Kept(), clock, Keeping()), UNSAMPLED, clock))
    assert trace_headers() == {"traceparent": UNSAMPLED.traceparent, "tracestate": "a=b"}
    assert UNSAMPLED.traceparent.endswith("-00")
    leave(token)


async def test_a_stepped_port_is_the_port() -> None:
    class Port:
        """Two calls and a value."""

        size = 3

        async def search(self, text: str) -> str:
            return text

        async def other(self) -> int:
            return 1

    clock, port = ScriptedClock(), stepped(Port(), {"search": "search"})
    request = work(Tracing(Kept(), clock, Keeping()), SAMPLED, clock)
    token = enter(request)
    assert (await port.search("a"), await port.other(), port.size) == ("a", 1, 3)
    leave(token)
    assert [step.name for step in request.steps] == ["search"]
