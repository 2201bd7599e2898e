"""A chunk read by its mould says what it says when it is read whole, or the mould does not say anything."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem.domain.errors import TandemError, UpstreamFailed
from tandem.domain.generation import GenerationEvent, Token
from tandem.generation.chat import ChatEvents
from tandem.generation.mould import Mould

TEXT = st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', "\\u0022", '"content":"x"', "\n", "a", "b", "é😀"])


def _chunk(text: str, *, logprobs: Any = None, reason: str | None = None, more: dict[str, Any] | None = None) -> Any:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": reason}
    return {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "m",
        "choices": [choice],
        **(more or {}),
    }


def spaced(chunk: Any) -> bytes:
    """As Python's own encoder writes it, escapes included."""
    return json.dumps(chunk).encode()


def twice(text: str) -> bytes:
    """The name stands there twice: the last one counts."""
    return b'{"choices":[{"delta":{"content":%b,"content":%b}}]}' % (orjson.dumps(text), orjson.dumps(text))


def damaged(text: str, by: bytes, at: int) -> bytes:
    whole = orjson.dumps(_chunk(text))
    return whole[:at] + by + whole[at:]


CHUNK = st.one_of(
    TEXT.map(lambda text: orjson.dumps(_chunk(text))),
    TEXT.map(lambda text: spaced(_chunk(text))),
    TEXT.map(lambda text: orjson.dumps(_chunk(text, logprobs={"content": [{"token": text}]}))),
    TEXT.map(lambda text: orjson.dumps(_chunk(text, reason="stop"))),
    TEXT.map(lambda text: orjson.dumps(_chunk(text, more={"usage": {"prompt_tokens": 1, "completion_tokens": 2}}))),
    TEXT.map(lambda text: orjson.dumps({"content": "before", **_chunk(text)})),
    TEXT.map(lambda text: orjson.dumps({**_chunk(text), "error": {"message": text}})),
    TEXT.map(twice),
    st.builds(damaged, TEXT, st.binary(max_size=4), st.integers(0, 60)),
)


def told(payloads: list[bytes], *, whole: bool) -> tuple[list[GenerationEvent], str | None]:
    """What the chunks say one by one, and the fault at their end."""
    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    said: list[GenerationEvent] = []
    for data in payloads:
        if whole:
            try:
                said += events.take(data)
            except TandemError as error:
                return said, error.message
            continue
        now, fault = events.take_all([data])
        said += now
        if fault is not None:
            return said, fault.message
    return said, None


@given(st.lists(CHUNK, max_size=8))
@example([orjson.dumps(_chunk("a")), orjson.dumps(_chunk("b")), b'{"choices":7}'])
def test_the_mould_changes_nothing(payloads: list[bytes]) -> None:
    assert told(payloads, whole=False) == told(payloads, whole=True)


@given(st.text(), st.text())
def test_a_known_chunk_is_read_by_its_mould(first: str, second: str) -> None:
    mould = Mould()
    mould.learn(orjson.dumps(_chunk(first)), first)
    assert mould.text(orjson.dumps(_chunk(second))) == second


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps({**_chunk("b"), "model": "n"}),
        orjson.dumps(_chunk("b", reason="stop")),
        orjson.dumps(_chunk("b", more={"usage": {"prompt_tokens": 1}})),
        orjson.dumps(_chunk("b"))[:-1],
        orjson.dumps(_chunk("b")).replace(b'"b"', b'"b","error":"x"'),
        orjson.dumps(_chunk("b")).replace(b'"b"', b'"\xff"'),
        orjson.dumps(_chunk("b")).replace(b'"b"', b'"\n"'),
        orjson.dumps(_chunk("b")).replace(b'"b"', b"null"),
        b"[DONE]",
        b"",
    ],
)
def test_what_differs_elsewhere_is_left_to_be_read(data: bytes) -> None:
    mould = Mould()
    mould.learn(orjson.dumps(_chunk("a")), "a")
    assert mould.text(data) is None


def test_no_mould_is_made_where_another_field_of_that_name_stands_first() -> None:
    mould = Mould()
    mould.learn(orjson.dumps({"content": "before", **_chunk("a")}), "a")
    assert mould.text(orjson.dumps({"content": "before", **_chunk("b")})) is None


@pytest.mark.parametrize("name", [b'"content" :', b'"cont\\u0065nt":'])
def test_a_name_written_another_way_is_read_whole(name: bytes) -> None:
    chunk = b'{"choices": [{"index": 0, "delta": {%b "a"}}]}' % name
    assert told([chunk, chunk], whole=False) == told([chunk, chunk], whole=True) == ([Token("a"), Token("a")], None)


def test_tokens_that_came_together_know_it() -> None:
    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    one, two = orjson.dumps(_chunk("a")), orjson.dumps(_chunk("b"))
    (first, second), fault = events.take_all([one, two])
    assert isinstance(first, Token)
    assert isinstance(second, Token)
    assert (first.text, first.more, second.text, second.more, fault) == ("a", True, "b", False, None)


def test_what_was_said_before_a_fault_is_not_lost() -> None:
    events = ChatEvents(lambda fault: UpstreamFailed(str(fault)))
    said, fault = events.take_all([orjson.dumps(_chunk("a")), b"{broken", orjson.dumps(_chunk("b"))])
    assert said == [Token("a")]
    assert isinstance(fault, UpstreamFailed)
