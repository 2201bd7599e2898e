"""An OpenAI stream of fixed pace straight on a socket: so cheap that what stands before it is what is measured.

Run it: `python tests/fakes/raw_llm.py --tokens 64 --gap-ms 5`; it prints its URL. A request whose body says
`"stream":true` gets its tokens one gap apart (`--gap-ms 0`: all at once), any other the whole answer after one gap.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import httptools
import orjson
import uvloop

MODEL = "steady"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_STREAMS = (b'"stream":true', b'"stream": true')


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _event(choices: list[object], **more: object) -> bytes:
    head = {"id": "steady-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    return b"data: " + orjson.dumps({**head, "choices": choices, **more}) + b"\n\n"


def pieces(tokens: int) -> list[bytes]:
    """What is sent, chunk by chunk; the last one ends the answer."""
    said = [_event([{"index": 0, "delta": {"content": f"word{n} "}, "finish_reason": None}]) for n in range(tokens)]
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    end = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}]) + _event([], usage=usage) + b"data: [DONE]\n\n"
    return [*map(_framed, said), _framed(end) + b"0\r\n\r\n"]


def whole(tokens: int) -> bytes:
    """The answer in one piece, head included."""
    message = {"role": "assistant", "content": "".join(f"word{n} " for n in range(tokens))}
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "steady-1", "object": "chat.completion", "created": 0, "model": MODEL}
    return _reply(orjson.dumps({**head, "choices": [choice], "usage": usage}))


def _reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Steady(asyncio.Protocol):
    """One connection."""

    def __init__(self, stream: Sequence[bytes], unary: bytes, gap_s: float) -> None:
        self._stream = stream
        self._unary = unary
        self._gap_s = gap_s
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._url = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, url = b"".join(self._body), self._url
        self._body, self._url = [], b""
        if b"chat/completions" not in url:
            self._transport.write(_reply(orjson.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]})))
        elif any(mark in body for mark in _STREAMS):
            self._transport.write(_STREAM_HEAD)
            if self._gap_s:
                self._timer = self._loop.call_later(self._gap_s, self._tell, 0)
            else:
                self._transport.write(b"".join(self._stream))
        else:
            self._timer = self._loop.call_later(self._gap_s, self._transport.write, self._unary)

    def _tell(self, number: int) -> None:
        self._transport.write(self._stream[number])
        if number + 1 < len(self._stream):
            self._timer = self._loop.call_later(self._gap_s, self._tell, number + 1)


async def _main(flags: argparse.Namespace) -> None:
    stream, unary = pieces(flags.tokens), whole(flags.tokens)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Steady(stream, unary, flags.gap_ms / 1000), "127.0.0.1", flags.port, backlog=4096
    )
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(url, flush=True)
    if flags.url_file is not None:
        flags.url_file.write_text(url)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--gap-ms", type=float, default=5.0)
    parser.add_argument("--url-file", type=Path, default=None, help="gets the URL as well")
    uvloop.run(_main(parser.parse_args()))
