"""What leaves for a client: in order, in one piece where it came in one, and never nothing for too long."""

import asyncio

from starlette.types import Message

from tandem.http.outlet import Outlet

HEADERS = [(b"content-type", b"text/event-stream")]
COMMENT = b": waiting\n\n"


class Client:
    """Takes what it is sent while its `room` is set."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.room = asyncio.Event()
        self.room.set()

    async def send(self, message: Message) -> None:
        await self.room.wait()
        self.messages.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.messages if message["type"] == "http.response.body"]

    def outlet(self, keep_alive_s: float = 60.0) -> Outlet:
        return Outlet(self.send, HEADERS, keep_alive_s=keep_alive_s)


async def until_said(client: Client, count: int) -> None:
    async with asyncio.timeout(5):
        while len(client.bodies) < count:
            await asyncio.sleep(0.001)


async def test_the_head_goes_with_the_first_piece_and_the_last_one_ends_it() -> None:
    client = Client()
    async with client.outlet() as outlet:
        assert client.messages == []
        await outlet.write(b"a")
        await outlet.write(b"b", last=True)
    assert [message["type"] for message in client.messages] == ["http.response.start", *["http.response.body"] * 2]
    assert [message["more_body"] for message in client.messages[1:]] == [True, False]


async def test_what_is_held_goes_with_the_next_piece() -> None:
    client = Client()
    async with client.outlet() as outlet:
        outlet.hold(b"a")
        outlet.hold(b"b")
        assert outlet.started
        assert client.messages == []
        await outlet.write(b"c")
        await outlet.write(b"d")
    assert client.bodies == [b"abc", b"d"]


async def test_silence_brings_comments_which_settle_the_status() -> None:
    client = Client()
    async with client.outlet(0.01) as outlet:
        assert not outlet.started
        await until_said(client, 2)
        assert outlet.started
    said = len(client.bodies)
    await asyncio.sleep(0.03)
    assert client.bodies == [COMMENT] * said


async def test_no_comments_while_there_are_pieces() -> None:
    client = Client()
    async with client.outlet(0.05) as outlet:
        for _ in range(15):
            await outlet.write(b"a")
            await asyncio.sleep(0.01)
    assert client.bodies == [b"a"] * 15


async def test_a_client_that_takes_nothing_gets_no_comments_on_top() -> None:
    client = Client()
    client.room.clear()
    async with client.outlet(0.01) as outlet:
        writing = asyncio.create_task(outlet.write(b"a"))
        await asyncio.sleep(0.05)
        client.room.set()
        await writing
    assert client.bodies[0] == b"a"
    assert len(client.bodies) <= 2


async def test_a_piece_waits_for_the_comment_before_it() -> None:
    client = Client()
    client.room.clear()
    async with client.outlet(0.01) as outlet:
        await asyncio.sleep(0.03)
        writing = asyncio.create_task(outlet.write(b"a"))
        await asyncio.sleep(0)
        client.room.set()
        await writing
    assert client.bodies[:2] == [COMMENT, b"a"]
    assert [message["type"] for message in client.messages].count("http.response.start") == 1


async def test_leaving_gives_up_a_comment_that_nobody_takes() -> None:
    client = Client()
    client.room.clear()
    async with asyncio.timeout(5), client.outlet(0.01):
        await asyncio.sleep(0.03)
    assert client.messages == []
