"""What goes wrong at a predictor, by name. Each is a way to answer one request (`fakes.upstream.Say`)."""

import asyncio
from collections.abc import Mapping

from fakes.upstream import DONE, USAGE, WHOLE, Call, Say, event, piece

MEGABYTE = "x" * 1_000_000
OVERLOAD = event({"error": {"message": "Model is overloaded", "http_status_code": 422}})


def streaming(*parts: bytes, then: str = "end") -> Say:
    """A stream of these parts, each in a packet of its own, and how it goes on: end, reset, close or stall."""

    async def say(call: Call) -> None:
        await call.begin()
        for part in parts:
            await call.part(part)
            # A packet for each part: the event loop sends what was written before it goes on.
            await asyncio.sleep(0)
        match then:
            case "end":
                await call.end()
            case "reset":
                call.reset()
            case "close":
                call.close()
            case _:
                await call.left.wait()

    return say


def answering(status: int, body: bytes = b"", headers: str = "") -> Say:
    """A whole answer; `headers` are lines with their ends."""

    async def say(call: Call) -> None:
        await call.answer(status, body, headers)

    return say


async def whole(call: Call) -> None:
    """No fault: two tokens and their end."""
    await streaming(WHOLE)(call)


async def never_answers(call: Call) -> None:
    """Accepts and says nothing."""
    await call.left.wait()


async def half_a_head(call: Call) -> None:
    """A status line and a header, and no end of them."""
    await call.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    await call.left.wait()


async def no_http(call: Call) -> None:
    """Another protocol."""
    await call.raw(b"220 mail.example ESMTP\r\n\r\n")
    call.reset()


async def endless_refusal(call: Call) -> None:
    """A failure whose explanation has no end."""
    await call.raw(b"HTTP/1.1 500 X\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
    while not call.left.is_set():
        await call.part(b"no " * 10_000)


async def characters_in_halves(call: Call) -> None:
    """Two tokens, cut into packets in the middle of their characters."""
    cuts = [at + 1 for at, byte in enumerate(WHOLE) if byte >= 0xC0]
    await streaming(*(WHOLE[a:b] for a, b in zip([0, *cuts], [*cuts, len(WHOLE)], strict=True)))(call)


def in_pieces(data: bytes, count: int) -> list[bytes]:
    """As good as equal."""
    return [data[len(data) * n // count : len(data) * (n + 1) // count] for n in range(count)]


# What must be survived as if nothing had happened.
HARMLESS: Mapping[str, Say] = {
    "half a character in a packet": characters_in_halves,
    "two events in a packet": streaming(piece("Grün ") + piece("😀", "stop"), USAGE + DONE),
    "one event in forty packets": streaming(*in_pieces(piece("Grün "), 40), piece("😀", "stop"), USAGE, DONE),
    "byte by byte": streaming(*(WHOLE[at : at + 1] for at in range(len(WHOLE)))),
    "comments between": streaming(b":\n\n", piece("Grün "), b": ping\n\n", piece("😀", "stop"), USAGE, DONE),
    "carriage returns": streaming(WHOLE.replace(b"\n", b"\r\n")),
    "no done, but a reason and an end": streaming(piece("Grün "), piece("😀", "stop"), USAGE),
}
# What may be asked for again, elsewhere: nothing was said yet.
BEFORE: Mapping[str, Say] = {
    "never answers": never_answers,
    "half a head": half_a_head,
    "headers only": streaming(then="stall"),
    "no http": no_http,
    "reset before the first token": streaming(then="reset"),
    "reset after the role": streaming(piece(""), then="reset"),
    "closed before the first token": streaming(then="close"),
    "ended before the first token": streaming(),
    "done before the first token": streaming(DONE),
    "a gateway that finds nobody": answering(503, b"<html>no endpoints</html>"),
    "a gateway that gave up": answering(504, b"upstream timeout"),
}
# What ends an answer that had begun.
AMID: Mapping[str, Say] = {
    "stalls": streaming(piece("a"), then="stall"),
    "resets": streaming(piece("a"), then="reset"),
    "closes": streaming(piece("a"), then="close"),
    "ends without done": streaming(piece("a")),
    "done without a reason": streaming(piece("a"), DONE),
    "overloaded in mid-answer": streaming(piece("a"), OVERLOAD, DONE),
    "an error event": streaming(piece("a"), event({"error": {"message": "CUDA error", "http_status_code": 422}})),
    "no JSON": streaming(piece("a"), b"data: {broken\n\n", then="stall"),
    "no UTF-8": streaming(piece("a"), b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', then="stall"),
}
