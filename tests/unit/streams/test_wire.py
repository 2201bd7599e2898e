"""What a record of questions says, and what is wrong with one that says nothing."""

import json

import pytest

from tandem.domain.errors import InvalidRequest, Overloaded, PayloadTooLarge, PermissionDenied
from tandem.http.wire.streamed import question_in, refusal_of

ASKED = {"messages": [{"role": "user", "content": "When?"}], "stream": True, "tandem": {"top_k": 3}}


def read(body: bytes | None) -> object:
    return question_in(body, "docs", alias="tandem", most_bytes=500)


def test_a_record_is_a_chat_request() -> None:
    question = question_in(json.dumps(ASKED).encode(), "docs", alias="tandem", most_bytes=500)
    assert (question.text, question.retrieval.collection, question.model) == ("When?", "docs", None)
    assert question.retrieval.top_k == 3


@pytest.mark.parametrize(
    ("body", "said", "param"),
    [
        (None, "no value", None),
        (b"", "no value", None),
        (b"{", "not valid JSON", None),
        (b"\xff", "not valid JSON", None),
        (b"[]", "not valid", None),
        (b"{}", "messages: Field required", "messages"),
        (b'{"messages": [{"role": "user", "content": 3}]}', "messages.0.content", "messages.0.content"),
        (b'{"messages": [{"role": "user", "content": "?"}], "n": 2}', "n is not supported", "n"),
        (b'{"messages": [{"role": "user", "content": "?"}], "tandem": {"x": 1}}', "tandem.x", "tandem.x"),
    ],
)
def test_what_is_wrong_is_said_with_the_path_to_it(body: bytes | None, said: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        read(body)
    assert refused.value.param == param


def test_a_version_by_its_number_is_for_admins() -> None:
    asked = ASKED | {"tandem": {"collection": "docs@3"}}
    with pytest.raises(PermissionDenied, match="for admins") as refused:
        read(json.dumps(asked).encode())
    assert refused.value.hint == "Name the collection: docs."


def test_a_record_may_be_too_large() -> None:
    with pytest.raises(PayloadTooLarge, match="501 bytes"):
        read(b"x" * 501)


def test_an_error_looks_as_over_http() -> None:
    assert json.loads(refusal_of(Overloaded("Full.")))["error"] == {
        "message": "Full.", "type": "overloaded_error", "code": "overloaded", "param": None,
    }  # fmt: skip
