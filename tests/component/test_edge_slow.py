"""Clients that take their time, or all the room there is: each costs little, and none for ever."""

import asyncio
import contextlib
import gc
import socket
from typing import Any

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from fakes.answers import ANSWERED, FOUND, ScriptedAnswers
from fakes.api import Api
from fakes.edge import PATIENCE_S, Edge, edge, open_files, post, statuses
from tandem.domain.generation import Token
from tandem.http.edge.census import Closed

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
ASK = orjson.dumps({"model": "tandem", "stream": True, "messages": [{"role": "user", "content": "When?"}]})


async def _in_flight(server: Edge) -> bytes:
    text = await server.answer(b"GET /metrics HTTP/1.0\r\n\r\n")
    return text.split(b"\ntandem_requests_in_flight ")[1].split(b"\n")[0]


async def _back_to(server: Edge, files: int, tasks: int) -> None:
    """Nothing is left of any client: no connection, no request, no task, no file."""
    for client in server.clients:
        client.close()
    await server.settled()
    gc.collect()
    # Others' clients of buckets that become garbage close themselves by a task of whatever loop runs just then.
    async with asyncio.timeout(PATIENCE_S):
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.01)
    assert open_files() <= files
    # The one that asks.
    assert await _in_flight(server) == b"1.0"


async def test_a_head_must_be_whole_in_time() -> None:
    api = Api()
    async with edge(api.app, header_timeout_s=1.0) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        silent, trickling, second, blank = [await server.client() for _ in range(4)]
        await second.send(GET)
        await second.until(b"}")
        rounds = 0
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 100:
                for client, data in ((trickling, bytes([byte])), (second, bytes([byte])), (blank, b"\r\n")):
                    await client.send(data)
                rounds += 1
                await asyncio.sleep(0.1)
        assert rounds < 60
        assert await silent.rest() == b""
        assert statuses(await trickling.rest()) == [408]
        assert statuses(await second.rest()) == [408]
        assert await blank.rest() == b""
        assert server.closed(Closed.slow_head) == 4
        await _back_to(server, files, tasks)


async def test_a_slow_head_in_time_is_served() -> None:
    async with edge(Api().app, header_timeout_s=5.0) as server:
        client = await server.client()
        for byte in GET:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.002)
        assert statuses(await client.until(b"}")) == [200]


async def test_a_slow_body_ends_with_the_deadline() -> None:
    api = Api(request_timeout_s=0.5)
    async with edge(api.app) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        client = await server.client()
        await client.send(post(ASK)[:-5])
        answer = await client.rest()
        assert statuses(answer) == [504]
        await _back_to(server, files, tasks)


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_the_limit_is_not_read(chunked: bool) -> None:
    api = Api(max_body_bytes=100_000)
    size = 16_000_000
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    piece = b"x" * 65_536
    async with edge(api.app) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        client = await server.client()
        await client.send(head.encode() + (b"F42400\r\n" if chunked else b""))
        sent = 0

        async def push() -> None:
            nonlocal sent
            with contextlib.suppress(ConnectionError):
                for _ in range(size // len(piece)):
                    await client.send(piece)
                    sent += len(piece)
                    # At a pace that a network has.
                    await asyncio.sleep(0.01)

        pushing = asyncio.create_task(push())
        answer = await client.until(b"}}")
        assert statuses(answer) == [413]
        assert await client.rest() == b""
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        assert sent < 4_000_000
        await _back_to(server, files, tasks)


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async with edge(Api(max_body_bytes=100_000).app) as server:
        client = await server.client()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        await client.send(f"{head}Content-Length: 16000000\r\n\r\n".encode())
        for _ in range(10):
            await client.send(b"x" * 65_536)
            await asyncio.sleep(0.03)
        # A reset would have thrown away what had come and was not read yet.
        assert statuses(await client.rest()) == [413]


async def test_a_client_that_reads_a_byte_a_second_slows_its_model_and_is_then_cut_off() -> None:
    words = 100_000
    answers = ScriptedAnswers([FOUND, *(Token("word " * 50) for _ in range(words)), ANSWERED])
    api = Api(answers=answers)
    async with edge(api.app, write_timeout_s=2.0) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        client = await server.client(buffer=4096)
        await client.send(post(ASK))
        await client.until(b"\r\n\r\n")
        await asyncio.sleep(0.7)
        given = answers.given
        assert await client.read(1)
        await asyncio.sleep(0.7)
        assert await client.read(1)
        # It waits: what was made fits into buffers that do not depend on the answer's length.
        assert answers.given - given < 500
        assert answers.given * 250 < 2_000_000
        async with asyncio.timeout(20):
            await answers.left.wait()
        assert server.closed(Closed.slow_reader) == 1
        await _back_to(server, files, tasks)


async def test_a_client_that_reads_in_the_end_gets_the_whole() -> None:
    words = 4_000
    api = Api(answers=ScriptedAnswers([FOUND, *(Token("word " * 50) for _ in range(words)), ANSWERED]))
    async with edge(api.app, write_timeout_s=10.0) as server:
        client = await server.client(buffer=65_536)
        await client.send(post(ASK, "Connection: close\r\n"))
        for _ in range(10):
            await client.read(100)
            await asyncio.sleep(0.05)
        assert (await client.rest()).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_an_answer_that_nobody_fetches_does_not_keep_its_connection() -> None:
    async def large(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 8_000_000})

    async with edge(large, write_timeout_s=1.0) as server:
        client = await server.client(buffer=4096)
        await client.send(GET)
        await client.until(b"\r\n\r\n")
        await server.settled()
        assert server.closed(Closed.slow_reader) == 1


async def test_half_a_close_is_a_whole_one() -> None:
    api = Api(answers=ScriptedAnswers([FOUND, Token("At "), asyncio.Event()]))
    async with edge(api.app) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        client = await server.client()
        await client.send(post(ASK))
        await client.until(b"At ")
        client.end_sending()
        async with asyncio.timeout(5):
            await api.answers.left.wait()
        assert await client.rest() == b""
        await _back_to(server, files, tasks)


async def test_leaving_is_seen_although_nothing_was_read() -> None:
    api = Api(answers=ScriptedAnswers([FOUND, *(Token("word " * 50) for _ in range(100_000)), ANSWERED]))
    async with edge(api.app, write_timeout_s=60.0) as server:
        client = await server.client(buffer=4096)
        await client.send(post(ASK))
        await client.until(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        client.end_sending()
        async with asyncio.timeout(5):
            await api.answers.left.wait()
        await server.settled()


async def test_over_the_limit_of_connections_only_probes_are_answered() -> None:
    api = Api()
    async with edge(api.app, lifecycle=api.lifecycle, max_connections=5) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        held = [await server.client() for _ in range(5)]
        await asyncio.sleep(0.05)
        refused = await server.answer(post(ASK))
        assert statuses(refused) == [503]
        assert b"retry-after: 1\r\n" in refused
        assert orjson.loads(refused.partition(b"\r\n\r\n")[2])["error"]["code"] == "overloaded"
        probe = await server.client()
        await probe.send(GET)
        assert statuses(await probe.until(b"}")) == [200]
        await held[0].send(GET)
        assert statuses(await held[0].until(b"}")) == [200]
        flood = [await server.client() for _ in range(60)]
        told = await asyncio.gather(*(client.rest() for client in flood[40:]))
        assert {tuple(statuses(answer)) for answer in told} == {(503,)}
        assert server.closed(Closed.full) == 1 + 60 - 32 + 1
        await _back_to(server, files, tasks)
        assert statuses(await server.answer(b"GET /livez HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_whoever_leaves_while_asking_leaves_nothing(how: str) -> None:
    api = Api()
    asked = post(ASK)
    async with edge(api.app) as server:
        files, tasks = open_files(), len(asyncio.all_tasks())
        for length in (1, 20, len(asked) - 10, len(asked)):
            for _ in range(20):
                client = await server.client()
                await client.send(asked[:length])
                await asyncio.sleep(0)
                if how == "reset":
                    client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
        await _back_to(server, files, tasks)


class JumpingClock:
    """Someone sets the wall clock while requests run; durations go on."""

    def __init__(self) -> None:
        self.jump_s = 0.0

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def epoch_s(self) -> float:
        self.jump_s = -self.jump_s - 86_400 * 365
        return 1_700_000_000.0 + self.jump_s


async def test_setting_the_wall_clock_changes_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [Token("word ") for _ in range(5)]
    script: list[Any] = [FOUND, *(step for word in words for step in (0.05, word)), ANSWERED]
    clock = JumpingClock()
    monkeypatch.setattr("fakes.api.SystemClock", lambda: clock)
    monkeypatch.setattr("time.time", clock.epoch_s)
    patient, hurried = Api(answers=ScriptedAnswers(script)), Api(answers=ScriptedAnswers([FOUND, asyncio.Event()]))
    async with edge(patient.app) as server:
        answer = await server.answer(post(ASK, "Connection: close\r\nx-request-timeout-ms: 5000\r\n"))
        assert b"[DONE]" in answer
    async with edge(hurried.app) as server:
        began = asyncio.get_running_loop().time()
        answer = await server.answer(post(ASK, "Connection: close\r\nx-request-timeout-ms: 300\r\n"))
        assert statuses(answer) == [504]
        assert 0.25 < asyncio.get_running_loop().time() - began < 5
