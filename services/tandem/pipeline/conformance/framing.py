"""A chat stream's bytes against the protocol: server-sent events, one JSON chunk each, in their order, and an end."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tandem.domain.question import Sampling
from tandem.generation.chat import chat_body
from tandem.generation.sse import SseParser
from tandem.pipeline.conformance.answers import ASKED
from tandem.pipeline.conformance.refusals import over_http
from tandem.pipeline.conformance.subject import Subject, Violated, context, prompt

_DONE = b"[DONE]"
_FIELDS = ("data", "event", "id", "retry")
_REASONS = frozenset({"stop", "length", "eos_token", "stop_sequence", "content_filter", "tool_calls"})


async def framing(subject: Subject) -> str:
    """Events as the protocol has them: role, text, reason, usage, `[DONE]`, and the connection ends whole."""
    remote = over_http(subject)
    body = orjson.dumps(chat_body(prompt(ASKED), Sampling(max_tokens=16, temperature=0.0), remote.model))
    heard = bytearray()
    async with remote.wire.post("/v1/chat/completions", body, context()) as reply:
        if reply.status != 200:
            raise Violated(f"status {reply.status}: {(await reply.whole()).body[:80]!r}")
        if reply.content_type != "text/event-stream":
            raise Violated(f"content-type {reply.content_type!r} instead of text/event-stream")
        try:
            async for piece in reply.pieces():
                heard += piece
        except ConnectionError as error:
            raise Violated(f"the connection broke after {len(heard)} bytes: {error}") from error
    return framed(bytes(heard))


def framed(stream: bytes) -> str:
    """What the stream holds. Raises `Violated` with what is wrong, and where."""
    _check_lines(stream)
    *events, last = SseParser().feed(stream) or [b""]
    if last != _DONE:
        raise Violated(f"the last event is not [DONE] but {_shown(last)}")
    if _DONE in events:
        raise Violated("something comes after [DONE]")
    chunks = [_chunk(data) for data in events]
    if len({chunk.get("id") for chunk in chunks}) > 1:
        raise Violated("the id changes from chunk to chunk")
    deltas = list(_deltas(chunks))
    _check_begin(deltas)
    reason = _check_end(deltas)
    return f"{len(chunks)} chunks, reason {reason}{_check_usage(chunks)}"


def _check_lines(stream: bytes) -> None:
    try:
        text = stream.decode()
    except UnicodeDecodeError as error:
        raise Violated(
            f"no UTF-8 at byte {error.start}: {stream[max(0, error.start - 20) : error.end + 20]!r}"
        ) from error
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name = line.partition(":")[0]
        if name and name not in _FIELDS:
            raise Violated(f"a line that is no event's: {line[:80]!r}")
    if not stream.replace(b"\r\n", b"\n").endswith(b"\n\n"):
        raise Violated(f"the last event has no empty line behind it: {_shown(stream[-60:])}")


def _chunk(data: bytes) -> dict[str, Any]:
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Violated(f"an event is no JSON: {_shown(data)}") from error
    if not isinstance(chunk, dict) or chunk.get("object") != "chat.completion.chunk":
        raise Violated(f"an event is no chat.completion.chunk: {_shown(data)}")
    if not isinstance(chunk.get("choices"), list):
        raise Violated(f"a chunk has no list of choices: {_shown(data)}")
    return chunk


def _deltas(chunks: Sequence[dict[str, Any]]) -> Iterator[tuple[str | None, str, str | None]]:
    """Role, text and reason of each choice."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice.get("index") != 0:
                raise Violated(f"a choice that nobody asked for: {choice}"[:160])
            delta = choice.get("delta") or {}
            yield delta.get("role"), delta.get("content") or "", choice.get("finish_reason")


def _check_begin(deltas: Sequence[tuple[str | None, str, str | None]]) -> None:
    if not deltas:
        raise Violated("no chunk has a choice")
    role = deltas[0][0]
    if role != "assistant":
        raise Violated(f"the first chunk's role is {role!r}, not 'assistant'")
    if not any(text for _, text, _ in deltas):
        raise Violated("no chunk has text")


def _check_end(deltas: Sequence[tuple[str | None, str, str | None]]) -> str:
    ends = [(place, reason) for place, (_, _, reason) in enumerate(deltas) if reason is not None]
    if len(ends) != 1:
        raise Violated(f"{len(ends)} chunks have a finish_reason, not one")
    place, reason = ends[0]
    if reason not in _REASONS:
        raise Violated(f"the finish_reason is {reason!r}")
    if any(text for _, text, _ in deltas[place + 1 :]):
        raise Violated("text comes after the finish_reason")
    return reason


def _check_usage(chunks: Sequence[dict[str, Any]]) -> str:
    """Where usage is told, it is told with or after the reason, and adds up."""
    told = [chunk for chunk in chunks if chunk.get("usage")]
    if not told:
        return ""
    counts = told[-1]["usage"]
    try:
        prompt_tokens, completion_tokens, total = (
            counts[f"{name}_tokens"] for name in ("prompt", "completion", "total")
        )
        adds_up = prompt_tokens + completion_tokens == total
    except (KeyError, TypeError) as error:
        raise Violated(f"the usage is no usage: {counts}"[:160]) from error
    if not adds_up:
        raise Violated(f"the usage does not add up: {counts}"[:160])
    ended = next(
        place for place, chunk in enumerate(chunks) if any(one.get("finish_reason") for one in chunk["choices"])
    )
    if chunks.index(told[-1]) < ended:
        raise Violated("the usage comes before the finish_reason")
    return f", usage {prompt_tokens} + {completion_tokens}"


def _shown(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
