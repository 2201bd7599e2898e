"""Every way in which a predictor breaks, over real sockets, under both protocols: the right error, and nothing leaks."""

import asyncio
import resource
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fakes.faults import AMID, BEFORE, HARMLESS, MEGABYTE, OVERLOAD, answering, endless_refusal, streaming, whole
from fakes.leaks import held, let_go, nothing_leaks, until
from fakes.upstream import DONE, USAGE, Call, Say, event, piece, upstream
from tandem.adapters.upstream.resolver import Found, Lookup, system_lookup
from tandem.adapters.upstream.wire import upstream_wire
from tandem.app.clock import SystemClock
from tandem.app.speaking import speaking
from tandem.domain.context import RequestContext
from tandem.domain.errors import ConfigurationError, Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Finished, GenerationEvent, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.generation.streaming import Patience
from tandem.ports.generator import Server

PROMPT = Prompt((Message("user", "What is it?"),), "test@1")
ANSWER = [Token("Grün "), Token("😀"), Finished("stop", Usage(5, 2))]
SHORT = Patience(connect_s=5, first_token_s=0.15, idle_s=20)
IDLE = Patience(connect_s=5, first_token_s=20, idle_s=0.15)
CALM = Patience(connect_s=5, first_token_s=20, idle_s=20)
ROUNDS = 6


@pytest.fixture(params=["tgi", "openai"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def client(
    protocol: str, url: str, patience: Patience = CALM, *, connections: int = 0, lookup: Lookup = system_lookup
) -> AsyncIterator[Server]:
    clock = SystemClock()
    async with upstream_wire(
        url, api_key="key", patience=patience, clock=clock, connections=connections, lookup=lookup
    ) as wire:
        yield speaking("tgi" if protocol == "tgi" else "openai", wire, "m", patience, clock)


async def heard(model: Server) -> list[GenerationEvent]:
    async with model.stream(PROMPT, Sampling(), RequestContext("r-1")) as events:
        return [one async for one in events]


async def failure(model: Server, kind: type[TandemError]) -> TandemError:
    with pytest.raises(TandemError) as raised:
        await heard(model)
    assert type(raised.value) is kind, raised.value
    return raised.value


async def survived(protocol: str, fault: Say, kind: type[TandemError], patience: Patience) -> None:
    """The fault, many times at once and again, holds nothing; and the same client is served once it is over."""
    saying = [fault]

    async def say(call: Call) -> None:
        await saying[0](call)

    async with nothing_leaks(), upstream(say) as server, client(protocol, server.url, patience) as model:
        await asyncio.gather(*(failure(model, kind) for _ in range(ROUNDS)))
        base = held()
        await asyncio.gather(*(failure(model, kind) for _ in range(ROUNDS)))
        await let_go(base)
        saying[0] = whole
        assert await recovered(model)


async def recovered(model: Server) -> bool:
    """On a busy machine even a good answer may be too late for a hasty client."""
    for _ in range(20):
        try:
            return await heard(model) == ANSWER
        except TandemError:
            await asyncio.sleep(0.1)
    return False


@pytest.mark.parametrize("fault", HARMLESS)
async def test_how_bytes_are_cut_changes_nothing(protocol: str, fault: str) -> None:
    async with nothing_leaks(), upstream(HARMLESS[fault]) as server, client(protocol, server.url) as model:
        assert await asyncio.gather(*(heard(model) for _ in range(4))) == [ANSWER] * 4


async def test_a_line_of_a_megabyte(protocol: str) -> None:
    say = streaming(piece(MEGABYTE, "length"), USAGE, DONE)
    async with nothing_leaks(), upstream(say) as server, client(protocol, server.url) as model:
        assert await heard(model) == [Token(MEGABYTE), Finished("length", Usage(5, 2))]


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_break_before_the_first_token_may_be_tried_elsewhere(protocol: str, fault: str) -> None:
    await survived(protocol, BEFORE[fault], UpstreamUnavailable, SHORT)


@pytest.mark.parametrize("fault", AMID)
async def test_a_break_in_mid_answer_is_final(protocol: str, fault: str) -> None:
    await survived(protocol, AMID[fault], UpstreamFailed, IDLE)


async def test_nobody_listens(protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with nothing_leaks(), client(protocol, url) as model:
        for _ in range(ROUNDS):
            await failure(model, UpstreamUnavailable)


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(protocol: str) -> None:
    async def say(call: Call) -> None:
        if call.earlier:
            call.close()
        else:
            await whole(call)

    async with nothing_leaks(), upstream(say) as server, client(protocol, server.url) as model:
        for _ in range(6):
            assert await heard(model) == ANSWER
        assert any(call.earlier for call in server.calls)


async def test_a_server_that_closes_is_not_asked_for_every_connection_that_is_kept(protocol: str) -> None:
    says = [whole]

    async def say(call: Call) -> None:
        await says[0](call)

    async def closes(call: Call) -> None:
        call.close()

    async with nothing_leaks(), upstream(say) as server, client(protocol, server.url) as model:
        await asyncio.gather(*(heard(model) for _ in range(8)))
        says[0], before = closes, len(server.calls)
        await failure(model, UpstreamUnavailable)
        assert len(server.calls) - before <= 3
    async with nothing_leaks(), upstream(closes) as server, client(protocol, server.url) as model:
        await failure(model, UpstreamUnavailable)
        assert len(server.calls) == 1


async def test_overload_inside_a_stream_is_back_pressure(protocol: str) -> None:
    await survived(protocol, streaming(OVERLOAD, DONE), Overloaded, CALM)


async def test_a_storm_of_refusals(protocol: str) -> None:
    storm = answering(429, b'{"error":"Model is overloaded","error_type":"overloaded"}', "retry-after: 2\r\n")
    async with nothing_leaks(), upstream(storm) as server, client(protocol, server.url) as model:
        for _ in range(10):
            told = await asyncio.gather(*(failure(model, Overloaded) for _ in range(20)))
            assert all(isinstance(one, Overloaded) and one.retry_after_s == 2 for one in told)
    assert len(server.calls) == 200


async def test_a_storm_of_failures(protocol: str) -> None:
    storm = answering(500, b"Internal Server Error")
    async with nothing_leaks(), upstream(storm) as server, client(protocol, server.url) as model:
        for _ in range(10):
            await asyncio.gather(*(failure(model, UpstreamFailed) for _ in range(20)))
    # Never asked twice by itself: whether to try again is decided where the budget is.
    assert len(server.calls) == 200


@pytest.mark.parametrize(
    ("header", "low_s", "high_s"),
    [
        ("7", 7, 7),
        (" 1.5", 1.5, 1.5),
        ("0", 0, 0),
        ("in 30 s", 1, 1),
        ("-5", 1, 1),
        ("nan", 1, 1),
        ("99999999999999999999", 3600, 3600),
        ("in half an hour", 1500, 1800),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 9999 07:28:00 GMT", 3600, 3600),
    ],
)
async def test_retry_after_in_either_form(protocol: str, header: str, low_s: float, high_s: float) -> None:
    # Told when it is asked: the tests before this one may take longer than that.
    told_by = {"in half an hour": format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)}
    value = told_by.get(header, header)
    say = answering(429, b'{"error":"Model is overloaded","error_type":"overloaded"}', f"retry-after: {value}\r\n")
    async with upstream(say) as server, client(protocol, server.url) as model:
        told = await failure(model, Overloaded)
    assert isinstance(told, Overloaded)
    assert low_s <= told.retry_after_s <= high_s


async def test_retry_after_of_a_server_that_is_away(protocol: str) -> None:
    say = answering(503, b"draining", "retry-after: 4\r\n")
    async with upstream(say) as server, client(protocol, server.url) as model:
        told = await failure(model, UpstreamUnavailable)
    assert isinstance(told, UpstreamUnavailable)
    assert told.retry_after_s == 4


@pytest.mark.parametrize(
    ("say", "hint"),
    [
        (answering(401), "api_key"),
        (answering(403, b"<html>"), "api_key"),
        (answering(404), "url and protocol"),
        (answering(405), "url and protocol"),
        (answering(302, b"", "location: http://127.0.0.1:9/\r\n"), "redirects"),
        (answering(200, b"<html>Sign in", "content-type: text/html; charset=utf-8\r\n"), "url and protocol"),
        (answering(200, b"{}", "content-type: application/json\r\n"), "url and protocol"),
    ],
)
async def test_a_wrong_address_or_key_is_told_with_what_to_do(protocol: str, say: Say, hint: str) -> None:
    async with upstream(say) as server, client(protocol, server.url) as model:
        told = await failure(model, UpstreamFailed)
        assert len(server.calls) == 1
    assert hint in (told.hint or "")


async def test_a_redirect_is_not_followed(protocol: str) -> None:
    async with upstream(whole) as elsewhere:
        say = answering(307, b"", f"location: {elsewhere.url}/v1/chat/completions\r\n")
        async with upstream(say) as server, client(protocol, server.url) as model:
            await failure(model, UpstreamFailed)
        assert elsewhere.calls == []


async def test_an_explanation_without_end_is_cut(protocol: str) -> None:
    async with nothing_leaks(), upstream(endless_refusal) as server, client(protocol, server.url) as model:
        told = await failure(model, UpstreamFailed)
        assert len(told.message) < 1000
        assert await until(server.calls[0].left.is_set)


class SlowNames:
    """Look-ups that take until `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = 0

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> list[Found]:
        self.asked += 1
        self.answer.wait(20)
        return [(socket.AF_INET, 6, ("127.0.0.1", port))]


async def test_slow_names_hold_nobody_else(protocol: str) -> None:
    names = SlowNames()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    async with nothing_leaks(), upstream(whole) as server:
        url = f"http://predictor.example:{server.port}"
        async with client(protocol, url, Patience(0.3, 20, 20), lookup=names) as model:
            beating = asyncio.create_task(beat())
            async with asyncio.timeout(10):
                told = await asyncio.gather(*(failure(model, UpstreamUnavailable) for _ in range(40)))
                # The threads that others share are free: none of them waits for a name.
                assert await asyncio.gather(*(asyncio.to_thread(int, "7") for _ in range(40))) == [7] * 40
            beating.cancel()
            assert beats > 5
            assert names.asked == 1
            assert all(one.hint is not None for one in told)
            names.answer.set()
            assert await until(lambda: not any(each.name.startswith("resolve") for each in threading.enumerate()))
            assert await recovered(model)


async def test_leaving_while_the_name_is_still_looked_up(protocol: str) -> None:
    names = SlowNames()
    async with nothing_leaks():
        async with client(protocol, "http://predictor.example:9", lookup=names) as model:
            asking = asyncio.create_task(heard(model))
            assert await until(lambda: names.asked == 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        names.answer.set()


async def test_a_name_that_is_none(protocol: str) -> None:
    def unknown(host: str, port: int, family: socket.AddressFamily) -> list[Found]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with nothing_leaks(), client(protocol, "http://predictor.example:9", lookup=unknown) as model:
        told = await failure(model, UpstreamUnavailable)
    assert "predictor.example" in told.message


async def test_a_server_that_moved_is_found_again(protocol: str) -> None:
    leads_to = ["127.0.0.1"]

    def names(host: str, port: int, family: socket.AddressFamily) -> list[Found]:
        return [(socket.AF_INET, 6, (leads_to[0], port))]

    async with nothing_leaks(), AsyncExitStack() as held_open:
        async with upstream(whole) as before:
            url = f"http://predictor.example:{before.port}"
            model = await held_open.enter_async_context(client(protocol, url, lookup=names))
            assert await heard(model) == ANSWER
        leads_to[0] = "127.0.0.2"
        async with upstream(whole, host="127.0.0.2", port=before.port) as after:
            # Its address is still remembered: the first request finds nobody there.
            await failure(model, UpstreamUnavailable)
            assert await heard(model) == ANSWER
            assert len(after.calls) == 1
        await held_open.aclose()


async def test_one_of_two_addresses_is_dead(protocol: str) -> None:
    def names(host: str, port: int, family: socket.AddressFamily) -> list[Found]:
        return [(socket.AF_INET, 6, (address, port)) for address in ("127.0.0.3", "127.0.0.1")]

    async with nothing_leaks(), upstream(whole) as server:
        url = f"http://predictor.example:{server.port}"
        async with client(protocol, url, lookup=names) as model:
            assert await heard(model) == ANSWER


async def test_no_connection_is_free(protocol: str) -> None:
    say = streaming(piece("a"), then="stall")
    patience = Patience(connect_s=0.2, first_token_s=20, idle_s=20)
    async with nothing_leaks(), upstream(say) as server, client(protocol, server.url, patience, connections=2) as model:
        async with AsyncExitStack() as taken:
            for _ in range(2):
                events = await taken.enter_async_context(model.stream(PROMPT, Sampling(), RequestContext("r-1")))
                assert await anext(events) == Token("a")
            async with asyncio.timeout(5):
                await asyncio.gather(*(failure(model, UpstreamUnavailable) for _ in range(5)))
            assert len(server.calls) == 2
        async with model.stream(PROMPT, Sampling(), RequestContext("r-1")) as events:
            assert await anext(events) == Token("a")


async def test_no_file_is_left_to_open(protocol: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with nothing_leaks(), upstream(whole) as server, client(protocol, server.url) as model:
        # The lowest free number is the first one that is out of bounds.
        with socket.socket() as free:
            lowest = free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            await failure(model, UpstreamUnavailable)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await heard(model) == ANSWER


async def test_a_key_that_no_header_can_carry(protocol: str) -> None:
    with pytest.raises(ConfigurationError):
        async with upstream_wire("http://127.0.0.1:9", api_key="a\nb", patience=CALM, clock=SystemClock()):
            pass


async def test_the_probe_tells_what_is_away(protocol: str) -> None:
    async with upstream(answering(503)) as server, client(protocol, server.url) as model:
        with pytest.raises(UpstreamUnavailable):
            await model.probe()
    async with upstream(answering(200, b"{}")) as server, client(protocol, server.url) as model:
        await model.probe()


async def test_a_first_event_that_is_an_error_of_the_model(protocol: str) -> None:
    say = streaming(event({"error": {"message": "CUDA error", "http_status_code": 422}}), DONE)
    await survived(protocol, say, UpstreamFailed, CALM)
