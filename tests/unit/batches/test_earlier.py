"""What earlier runs left is counted once, and forgotten where it does not hold any more."""

import orjson
import pytest

from tandem.domain.batch_line import BatchLine, LineFault
from tandem.http.errors import body_of_code
from tandem.http.wire.batch_lines import answered_line, fault_line, refused_line
from tandem.pipeline.batches.earlier import Earlier, Result, read_result


def answered(custom_id: str) -> bytes:
    return answered_line("batch_req_1", custom_id, "r", b'{"usage":{"prompt_tokens":3,"completion_tokens":2}}')


def refused(custom_id: str, code: str, status: int) -> bytes:
    return refused_line("batch_req_1", custom_id, "r", status, body_of_code(code, "m"))


def faulty(number: int, code: str = "invalid_json_line") -> bytes:
    return fault_line("batch_req_1", number, None, LineFault(code, "m"))


def expired(custom_id: str) -> bytes:
    return fault_line("batch_req_1", 7, custom_id, LineFault("batch_expired", "m"))


def earlier(*lines: bytes) -> Earlier:
    results = [read_result(line) for line in lines]
    return Earlier.of(result for result in results if result is not None)


def test_what_we_write_is_read() -> None:
    assert read_result(answered("a")) == Result("a", 200, prompt_tokens=3, completion_tokens=2)
    assert read_result(refused("a", "overloaded", 429)) == Result("a", 429, "overloaded")
    assert read_result(faulty(4)) == Result(None, None, "invalid_json_line", 4)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b'"a"', b"{}", b'{"custom_id":"a","response":null,"error":null}',
        b'{"custom_id":"a","response":{},"error":null}', b'{"custom_id":"a","response":[],"error":null}',
        b'{"custom_id":1,"response":{"status_code":200,"body":{}},"error":null}',
        b'{"custom_id":"a","response":{"status_code":"200","body":{}},"error":null}',
        b'{"custom_id":"a","response":{"status_code":200,"body":null},"error":null}',
        b'{"custom_id":"a","response":null,"error":{"line":1}}', b'{"custom_id":"a","response":null,"error":{"code":"x","line":"y"}}',
        orjson.dumps({"custom_id": "a", "method": "POST", "url": "/", "body": {}}), answered("a")[:-20],
    ],
)  # fmt: skip
def test_what_is_no_result_is_none(raw: bytes) -> None:
    assert read_result(raw) is None


@pytest.mark.parametrize(
    ("raw", "may_pass"),
    [
        (refused("a", "overloaded", 429), True), (refused("a", "upstream_unavailable", 503), True),
        (refused("a", "internal_error", 500), True), (refused("a", "invalid_request", 400), False),
        (refused("a", "collection_not_found", 404), False), (refused("a", "not_served", 501), False),
        (expired("a"), True), (faulty(1), False),
    ],
)  # fmt: skip
def test_what_may_pass_is_forgotten_when_it_is_to_be_tried_again(raw: bytes, may_pass: bool) -> None:
    known = earlier(raw)
    assert not known.drop({1: "invalid_json_line"}, retry=False)
    assert known.drop({1: "invalid_json_line"}, retry=True) is may_pass
    result = read_result(raw)
    assert result is not None
    assert known.keeps(result) is not may_pass


def test_a_fault_of_a_line_that_is_sound_by_now_is_forgotten() -> None:
    known = earlier(faulty(0), faulty(1), faulty(2))
    assert known.drop({1: "invalid_json_line", 2: "invalid_url"}, retry=False)
    assert known.faulty == {1: "invalid_json_line"}


def test_what_is_left_is_what_nothing_is_known_of() -> None:
    known = earlier(answered("a"), refused("b", "overloaded", 429), faulty(2), expired("d"))
    fault = LineFault("invalid_json_line", "m")
    lines = [
        BatchLine(0, "a", b"{}"), BatchLine(1, "b", b"{}"), BatchLine(2, None, None, fault), BatchLine(3, "c", b"{}"),
        BatchLine(4, "d", b"{}"), BatchLine(5, None, None, fault),
    ]  # fmt: skip
    assert [line.number for line in known.left(lines)] == [3, 5]


def test_an_answer_counts_beside_a_failure() -> None:
    known = earlier(refused("a", "overloaded", 429), answered("a"))
    assert (set(known.answered), set(known.failed)) == ({"a"}, set())


def test_results_of_another_batch_are_noticed() -> None:
    known = earlier(answered("a"), refused("b", "overloaded", 429))
    assert known.strange({"a", "b", "c"}) is None
    assert known.strange({"a"}) == "b"
