"""Every line of a batch file is a request or a fault of its own, however the file is cut."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.batch_line import BatchLine
from tandem.pipeline.batches.lines import MAX_LINE_BYTES, LineReader, read_line

BODY = {"messages": [{"role": "user", "content": "Wie?"}]}


def told(**more: Any) -> dict[str, Any]:
    return {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY, **more}


def line(**more: Any) -> bytes:
    return orjson.dumps(told(**more))


def without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in told().items() if key != name})


def read(raw: bytes, number: int = 0) -> BatchLine:
    found = read_line(number, raw, {})
    assert found is not None
    return found


def lines(file: bytes, size: int = 1_000_000) -> list[BatchLine]:
    reader = LineReader()
    found = [each for at in range(0, len(file), size) for each in reader.feed(file[at : at + size])]
    return [*found, *reader.end()]


def test_a_sound_line_is_a_request() -> None:
    found = read(line(more=1), 7)
    assert found == BatchLine(7, "a", orjson.dumps(BODY))


NESTED = b"[" * 400 + b"]" * 400


@pytest.mark.parametrize(
    ("raw", "code", "said"),
    [
        (b"{", "invalid_json_line", "column 2"),
        (b"nonsense", "invalid_json_line", "column 1"),
        (b"[]", "invalid_json_line", "no JSON object"),
        (b"null", "invalid_json_line", "no JSON object"),
        (b'{"custom_id": NaN}', "invalid_json_line", "column"),
        (b'{"custom_id": "\xff"}', "invalid_json_line", "utf-8"),
        (b'{"custom_id": "\\ud800"}', "invalid_json_line", "surrogate"),
        (line() + line(), "invalid_json_line", "column"),
        (line().decode().encode("utf-16"), "invalid_json_line", "utf-8"),
        (b"[" * 5_000, "invalid_json_line", "depth"),
        (line(pad="x" * MAX_LINE_BYTES), "invalid_json_line", "longer than"),
        (without("custom_id"), "missing_custom_id", "1 to 512"),
        (line(custom_id=None), "missing_custom_id", "1 to 512"),
        (line(custom_id=""), "missing_custom_id", "1 to 512"),
        (line(custom_id=7), "missing_custom_id", "1 to 512"),
        (line(custom_id="a\x00"), "missing_custom_id", "1 to 512"),
        (line(custom_id="x" * 513), "missing_custom_id", "1 to 512"),
        (without("method"), "invalid_method", "not nothing"),
        (line(method="GET"), "invalid_method", "not GET"),
        (line(method=["POST"]), "invalid_method", "something else"),
        (without("url"), "invalid_url", "/v1/chat/completions is needed"),
        (line(url="/v1/embeddings"), "invalid_url", "not /v1/embeddings"),
        (line(url="u" * 1_000), "invalid_url", "…"),
        (without("body"), "invalid_body", "JSON object"),
        (line(body=None), "invalid_body", "JSON object"),
        (line(body="{}"), "invalid_body", "JSON object"),
        (line(body=[BODY]), "invalid_body", "JSON object"),
        (line()[:-1] + b',"body":{"a":' + NESTED + b"}}", "invalid_body", "nested"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_request_says_why(raw: bytes, code: str, said: str) -> None:
    found = read(raw)
    assert found.body is None
    assert found.fault is not None
    assert found.fault.code == code
    assert said.lower() in found.fault.message.lower()
    assert len(found.fault.message) < 200
    assert found.custom_id == (None if code in ("invalid_json_line", "missing_custom_id") else "a")


def test_a_second_line_of_the_same_name_fails_also_where_the_first_is_faulty() -> None:
    first, second, third = lines(b"\n".join([line(url="/"), line(), line(custom_id="b")]))
    assert first.fault is not None
    assert second.fault is not None
    assert (second.custom_id, second.fault.code) == ("a", "duplicate_custom_id")
    assert "Line 1" in second.fault.message
    assert third.fault is None


def test_marks_breaks_and_blank_lines_of_editors_are_no_faults() -> None:
    file = b"\xef\xbb\xbf" + line() + b"\r\n\r\n  \t\n" + line(custom_id="b") + b"\r\n"
    assert [(each.number, each.custom_id, each.fault) for each in lines(file)] == [(0, "a", None), (3, "b", None)]


@pytest.mark.parametrize("file", [b"", b"\n", b"\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_has_no_lines(file: bytes) -> None:
    assert lines(file) == []


def test_after_a_line_that_is_too_long_the_next_one_is_read() -> None:
    found = lines(line(pad="x" * MAX_LINE_BYTES) + b"\n" + line(), size=10_000)
    assert [(each.number, each.fault is None) for each in found] == [(0, False), (1, True)]
    assert lines(b"x" * 3 * MAX_LINE_BYTES)[0].fault == found[0].fault
    assert lines(b" " * 2 * MAX_LINE_BYTES + line())[0].fault == found[0].fault


def test_a_line_may_be_as_long_as_is_said() -> None:
    raw = line(pad="")
    whole = line(pad="x" * (MAX_LINE_BYTES - len(raw)))
    assert len(whole) == MAX_LINE_BYTES
    assert [each.fault for each in lines(whole + b"\r\n" + line(custom_id="b"))] == [None, None]
    assert lines(whole[:-2] + b'x"}')[0].fault is not None


@given(st.lists(st.sampled_from([line(), line(custom_id="b"), b"{", b"", b"\r", b"[]"])), st.integers(1, 400))
def test_it_is_the_same_however_the_file_is_cut(parts: list[bytes], size: int) -> None:
    file = b"\n".join(parts)
    assert lines(file, size) == lines(file)
