"""The lines of output and error files are OpenAI's, and failures have the face that they have online."""

import orjson
import pytest

from tandem.domain import errors
from tandem.domain.batch_line import LineFault
from tandem.domain.errors import TandemError
from tandem.http.errors import body_of_code, error_body, status_of, status_of_code
from tandem.http.wire.batch_lines import answered_line, fault_line, refused_line
from tandem.http.wire.jobs import question_of


def test_an_answer_is_put_in_as_it_is() -> None:
    raw = answered_line("batch_req_1", "a", "req", '{"id":"x","choices":["é"]}'.encode())
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == 1
    assert orjson.loads(raw) == {
        "id": "batch_req_1",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "req", "body": {"id": "x", "choices": ["é"]}},
        "error": None,
    }


def test_a_refusal_is_a_response() -> None:
    error = errors.UnknownCollection("There is none.", param="tandem.collection")
    told = orjson.loads(refused_line("batch_req_1", "a", "req", status_of(error), error_body(error)))
    assert told["error"] is None
    assert told["response"]["status_code"] == 404
    assert told["response"]["body"]["error"]["param"] == "tandem.collection"


def test_what_never_became_a_request_has_none() -> None:
    told = orjson.loads(fault_line("batch_req_1", 0, None, LineFault("invalid_json_line", "It is no JSON.")))
    assert told == {
        "id": "batch_req_1",
        "custom_id": None,
        "response": None,
        "error": {"code": "invalid_json_line", "message": "It is no JSON.", "line": 1},
    }


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidRequest("m"), errors.ContextTooLong("m"), errors.UnsupportedContent("m"), errors.UnknownModel("m"),
        errors.Overloaded("m"), errors.RateLimited("m"), errors.Preempted("m"), errors.UpstreamFailed("m"),
        errors.ConfigurationError("m"), TandemError("m"),
    ],
)  # fmt: skip
def test_a_code_has_the_face_of_its_error(error: TandemError) -> None:
    assert status_of_code(error.code) == status_of(error)
    assert body_of_code(error.code, error.message) == error_body(error)


def test_a_code_of_no_error_is_a_fault_of_ours() -> None:
    assert status_of_code("attempts_exhausted") == 500
    assert "secret" not in str(body_of_code("attempts_exhausted", "secret"))


def test_a_body_is_refused_with_the_path_to_what_is_wrong() -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": "a"}], "tandem": {"top_k": 0}})
    with pytest.raises(errors.InvalidRequest, match=r"tandem\.top_k: ") as refused:
        question_of(body, "docs", alias="tandem")
    assert refused.value.param == "tandem.top_k"
    with pytest.raises(errors.InvalidRequest, match="messages"):
        question_of(b"{}", "docs", alias="tandem")
