import pytest

from tandem.domain.question import Message
from tandem.retrieval.standalone import standalone

TALK = (
    Message("user", "Who built the old lighthouse?"),
    Message("assistant", "Anna Berg [1]."),
)


@pytest.mark.parametrize(
    "follow_up", ["And when?", "When was it finished?", "What about its lamp?", "Why?", "how tall is it", "Really?"]
)
def test_a_follow_up_is_asked_with_what_it_is_about(follow_up: str) -> None:
    assert standalone(follow_up, TALK) == f"Who built the old lighthouse? {follow_up}"


@pytest.mark.parametrize(
    "question",
    [
        "Which port does the gateway listen on?",
        "How do I add documents that are stored as PDF files?",
        "And how many tokens may one chunk of a Markdown document have at most?",
        "Which formats can be ingested from a folder?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone(question, TALK) == question


def test_without_a_conversation_there_is_nothing_to_lean_on() -> None:
    assert standalone("And when?", ()) == "And when?"
    assert standalone("And when?", (Message("assistant", "Hello."), Message("system", "Be kind."))) == "And when?"
