"""A predictor's answers over real connections: kept, handed on in time, held back, and never mixed up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from fakes.leaks import held, nothing_leaks, until
from fakes.upstream import Call, Say, upstream
from tandem.adapters.upstream.wire import AioWire, upstream_wire
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamUnavailable
from tandem.generation.streaming import Patience
from tandem.ports.wire import Reply

PATIENCE = Patience(connect_s=5, first_token_s=10, idle_s=10, interval_s=0.02)
CONTEXT = RequestContext("r-1")


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[AioWire]:
    async with upstream_wire(url, api_key="key", patience=PATIENCE, clock=SystemClock()) as opened:
        yield opened


def posted(opened: AioWire) -> AbstractAsyncContextManager[Reply]:
    return opened.post("/v1/chat/completions", b"{}", CONTEXT)


async def read(reply: Reply) -> bytes:
    return b"".join([piece async for piece in reply.pieces()])


async def asked(opened: AioWire) -> bytes:
    async with posted(opened) as reply:
        return await read(reply)


async def connections(say: Say, times: int = 3) -> tuple[list[bytes], int]:
    """The bodies of so many answers, and how many connections were opened for them."""
    opened = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await server.serve(reader, writer)

    async with nothing_leaks(), upstream(say) as server:
        listener = await asyncio.start_server(count, "127.0.0.1", 0)
        async with listener, wire(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as client:
            bodies = [await asked(client) for _ in range(times)]
    return bodies, opened


async def in_chunks(call: Call) -> None:
    await call.begin()
    await call.part(b"one")
    await call.part(b"two")
    await call.end()


async def test_a_connection_serves_one_answer_after_another() -> None:
    assert await connections(in_chunks) == ([b"onetwo"] * 3, 1)


async def test_an_answer_of_known_length_keeps_it_too() -> None:
    async def say(call: Call) -> None:
        await call.answer(200, b"whole")

    assert await connections(say) == ([b"whole"] * 3, 1)


async def test_it_is_told_which_answer_is_the_first_on_its_connection() -> None:
    async def say(call: Call) -> None:
        await in_chunks(call)
        if call.earlier == 1:
            call.close()

    async with upstream(say) as server, wire(server.url) as opened:
        first = []
        for _ in range(5):
            async with posted(opened) as reply:
                first.append(reply.first)
                assert await read(reply) == b"onetwo"
    assert first == [True, False, True, False, True]


async def test_what_the_server_closes_is_not_kept() -> None:
    async def say(call: Call) -> None:
        await call.answer(200, b"whole", "connection: close\r\n")
        call.close()

    assert await connections(say) == ([b"whole"] * 3, 3)


async def test_a_body_may_end_with_its_connection() -> None:
    async def say(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nall")
        call.close()

    assert await connections(say) == ([b"all"] * 3, 3)


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next() -> None:
    async def say(call: Call) -> None:
        await call.raw(2 * b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none")

    assert await connections(say) == ([b"one"] * 3, 3)


async def test_a_connection_on_which_something_came_unasked_is_not_used_again() -> None:
    async def say(call: Call) -> None:
        await call.answer(200, b"whole")
        await asyncio.sleep(0.02)
        await call.raw(b"HTTP/1.1 408 Request Timeout\r\n")

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client:
        for _ in range(2):
            assert await asked(client) == b"whole"
            await asyncio.sleep(0.05)
        assert [call.earlier for call in server.calls] == [0, 0]


async def test_a_request_that_was_worked_on_is_not_sent_again_by_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tandem.adapters.upstream.wire._STALE_S", 0.05)

    async def say(call: Call) -> None:
        if not call.earlier:
            await call.answer(200, b"whole")
            return
        await asyncio.sleep(0.2)
        call.close()

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client:
        assert await asked(client) == b"whole"
        with pytest.raises(UpstreamUnavailable):
            await asked(client)
        assert len(server.calls) == 2


@asynccontextmanager
async def deaf(says: bytes) -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """A server that never reads more than a little, its URL, and its connections."""
    taken: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(says)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", taken
    finally:
        for writer in taken:
            writer.transport.abort()
        listener.close()
        await listener.wait_closed()


async def test_a_server_that_does_not_read_holds_no_connection_of_ours() -> None:
    hurried = Patience(connect_s=5, first_token_s=0.2, idle_s=10)
    async with (
        nothing_leaks(),
        deaf(b"") as (url, taken),
        upstream_wire(url, api_key="key", patience=hurried, clock=SystemClock()) as client,
    ):
        base = held()
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable):
                async with client.post("/v1/chat/completions", b"x" * 16_000_000, CONTEXT):
                    pass
        # Those that are left are the server's own.
        assert await until(lambda: held().descriptors <= base.descriptors + len(taken))


async def test_a_connection_whose_request_is_still_being_sent_serves_no_other() -> None:
    refusal = b"HTTP/1.1 413 X\r\ncontent-length: 2\r\n\r\nno"
    async with nothing_leaks(), deaf(refusal) as (url, taken), wire(url) as client:
        for body in (b"x" * 16_000_000, b"{}"):
            async with asyncio.timeout(5), client.post("/v1/chat/completions", body, CONTEXT) as reply:
                assert (await reply.whole()).body == b"no"
        assert len(taken) == 2


async def test_what_only_announces_an_answer_is_none() -> None:
    async def say(call: Call) -> None:
        await call.raw(b"HTTP/1.1 103 Early Hints\r\nretry-after: 9\r\n\r\n")
        await in_chunks(call)

    assert (await connections(say))[0] == [b"onetwo"] * 3


async def test_a_head_without_end_is_given_up() -> None:
    async def say(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\n")
        while not call.left.is_set():
            await call.raw(b"x-more: and more\r\n" * 1000)

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client:
        with pytest.raises(UpstreamUnavailable, match="no end"):
            await asked(client)


async def test_no_header_can_end_its_line() -> None:
    async with nothing_leaks(), upstream(in_chunks) as server, wire(server.url) as client:
        with pytest.raises(ValueError, match="line end"):
            async with client.post("/v1/chat/completions", b"{}", RequestContext("r\r\nx-evil: 1")):
                pass
        assert server.calls == []
        assert await asked(client) == b"onetwo"


async def test_the_first_pieces_come_at_once_and_fast_ones_together() -> None:
    pieces = 60

    async def say(call: Call) -> None:
        await call.begin()
        for number in range(pieces):
            await call.part(b"%03d " % number)
            await asyncio.sleep(0.002)
        await call.end()

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client, posted(client) as reply:
        handed = [piece async for piece in reply.pieces()]
    assert b"".join(handed) == b"".join(b"%03d " % number for number in range(pieces))
    assert handed[0].startswith(b"000 ")
    assert len(handed) < pieces / 3


async def test_without_an_interval_each_piece_comes_as_it_is_said() -> None:
    taken = asyncio.Event()

    async def say(call: Call) -> None:
        await call.begin()
        for number in range(40):
            taken.clear()
            await call.part(b"%d" % number)
            await taken.wait()
        await call.end()

    at_once = Patience(connect_s=5, first_token_s=10, idle_s=10, interval_s=0)
    async with (
        nothing_leaks(),
        upstream(say) as server,
        upstream_wire(server.url, api_key="key", patience=at_once, clock=SystemClock()) as client,
        posted(client) as reply,
    ):
        handed = []
        async for piece in reply.pieces():
            handed.append((piece, asyncio.get_running_loop().time()))
            taken.set()
    assert [piece for piece, _ in handed] == [b"%d" % number for number in range(40)]
    # Paced, all but the first two would take 20 ms each.
    assert handed[-1][1] - handed[1][1] < 0.6


async def test_slow_pieces_come_one_by_one() -> None:
    async def say(call: Call) -> None:
        await call.begin()
        for number in range(6):
            await call.part(b"%d" % number)
            await asyncio.sleep(0.1)
        await call.end()

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client, posted(client) as reply:
        assert [piece async for piece in reply.pieces()] == [b"%d" % number for number in range(6)]


async def test_a_reader_that_takes_nothing_holds_the_server_back() -> None:
    written = 0

    async def say(call: Call) -> None:
        nonlocal written
        await call.begin()
        while not call.left.is_set() and written < 200_000_000:
            await call.part(b"x" * 100_000)
            written += 100_000
        await call.end()

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client:
        async with posted(client) as reply:
            pieces = reply.pieces()
            await anext(pieces)
            await asyncio.sleep(0.3)
            held = written
            await asyncio.sleep(0.2)
            assert written == held < 50_000_000
            taken = len(await anext(pieces))
            while taken < 2 * held:
                taken += len(await anext(pieces))
        assert await until(server.calls[0].left.is_set)


async def test_leaving_while_a_fast_stream_rests_closes_it() -> None:
    async def say(call: Call) -> None:
        await call.begin()
        while not call.left.is_set():
            await call.part(b"x")
            await asyncio.sleep(0.001)

    async with nothing_leaks(), upstream(say) as server, wire(server.url) as client:
        for _ in range(10):
            async with posted(client) as reply:
                pieces = reply.pieces()
                for _ in range(4):
                    await anext(pieces)
        assert await until(lambda: all(call.left.is_set() for call in server.calls))
