from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tandem.domain.errors import Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Finished, GenerationEvent, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.generation.chat import ChatEvents, chat_body

PROMPT = Prompt((Message("system", "Be brief."), Message("user", "Hi")), "answer@1")


def overloaded(fault: Mapping[str, Any]) -> TandemError:
    return Overloaded(f"told: {fault.get('message') or fault.get('error')}")


def chunk(content: str | None = None, reason: str | None = None, usage: tuple[int, int] | None = None) -> bytes:
    body: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": reason}]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return orjson.dumps(body)


USAGE_ALONE = b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}'


def told(*data: bytes) -> list[GenerationEvent]:
    events = ChatEvents(overloaded)
    return [event for each in data for event in events.take(each)]


def test_the_body_asks_for_a_stream_with_usage_and_names_only_what_was_chosen() -> None:
    assert chat_body(PROMPT, Sampling(), "m") == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_zero_is_a_choice() -> None:
    body = chat_body(PROMPT, Sampling(max_tokens=5, temperature=0.0, top_p=0.5, stop=("\n",), seed=0), "m")
    wanted = {"max_tokens": 5, "temperature": 0.0, "top_p": 0.5, "stop": ["\n"], "seed": 0}
    assert {name: body[name] for name in wanted} == wanted


def test_tokens_then_the_end_with_the_usage_that_came_behind_the_reason() -> None:
    assert told(chunk(""), chunk("Hel"), chunk("lo"), chunk(None, "stop"), USAGE_ALONE, b"[DONE]") == [
        Token("Hel"),
        Token("lo"),
        Finished("stop", Usage(7, 2)),
    ]


def test_usage_may_ride_on_the_chunk_with_the_reason_or_before_it() -> None:
    end = Finished("length", Usage(3, 1))
    assert told(chunk("a", "length", (3, 1)), b"[DONE]")[-1] == end
    assert told(chunk("a", None, (3, 1)), chunk(None, "length"), b"[DONE]")[-1] == end


def test_without_usage_the_pieces_are_counted() -> None:
    assert told(chunk("a"), chunk("b"), chunk(None, "stop"), b"[DONE]")[-1] == Finished("stop", Usage(0, 2))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "stop"), ("length", "length"), ("eos_token", "stop"), ("stop_sequence", "stop"), ("tool_calls", "stop")],
)
def test_every_servers_reasons_become_two(reason: str, expected: str) -> None:
    assert told(chunk("a", reason), b"[DONE]")[-1] == Finished(expected, Usage(0, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fault", [b'{"error":{"message":"full","type":"overloaded"}}', b'{"error":"full","error_type":"overloaded"}']
)
def test_an_error_inside_the_stream_is_raised_as_what_it_means(fault: bytes) -> None:
    with pytest.raises(Overloaded, match="told: full"):
        told(fault)


def test_an_error_after_the_first_token_is_no_reason_to_ask_again() -> None:
    with pytest.raises(UpstreamFailed, match="told: full"):
        told(chunk("a"), b'{"error":{"message":"full","type":"overloaded"}}')


def test_done_before_anything_was_said_may_be_tried_elsewhere() -> None:
    with pytest.raises(UpstreamUnavailable, match="before its first token"):
        told(b"[DONE]")


def test_done_without_a_reason_is_a_cut_short_answer() -> None:
    with pytest.raises(UpstreamFailed, match="cut short"):
        told(chunk("a"), b"[DONE]")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b'{"choices":[null]}',
        b'{"choices":7}',
        b'{"choices":{"a":1}}',
        b'{"choices":[{"delta":7}]}',
        b'{"choices":[{"delta":{"content":7}}]}',
        b'{"choices":[{"delta":{},"finish_reason":{"a":1}}]}',
        b'{"choices":[],"usage":{"prompt_tokens":7}}',
        b'{"choices":[],"usage":7}',
        b'{"choices":[],"usage":{"prompt_tokens":"7","completion_tokens":2}}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_chunk_is_an_upstream_failure(data: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="no chat chunk"):
        told(data)


@pytest.mark.parametrize(
    "data", [b"{}", b'{"choices":null}', b'{"choices":[{}]}', b'{"choices":[{"delta":null}]}', b'{"usage":{}}']
)
def test_a_chunk_may_say_nothing(data: bytes) -> None:
    assert told(data) == []


def test_the_end_is_told_once() -> None:
    events = ChatEvents(overloaded)
    events.take(chunk("a", "stop"))
    assert not events.done
    assert events.end() == [Finished("stop", Usage(0, 1))]
    assert events.done
    assert events.end() == events.take(b"[DONE]") == []
