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


@pytest.mark.parametrize(
    ("follow_up", "leans"),
    [
        ("In which year?", True),
        ("How many?", True),
        ("Tell me more", True),
        ("Why was it painted red?", True),
        ("So who paid for it?", True),
        ("What is a tenant?", False),
        ("Why was my file rejected?", False),
        ("So which formats can be ingested?", False),
        ("Tell me more about the format of scanned documents", False),
    ],
)
def test_few_words_lean_back_only_when_something_is_left_out(follow_up: str, leans: bool) -> None:
    assert (standalone(follow_up, TALK) != follow_up) is leans


def test_a_follow_up_of_a_follow_up_is_about_what_the_first_question_was_about() -> None:
    talk = (*TALK, Message("user", "And when?"), Message("assistant", "In 1870 [1]."))
    assert standalone("What about its lamp?", talk) == "Who built the old lighthouse? And when? What about its lamp?"


def test_it_does_not_reach_back_for_ever_nor_past_a_question_that_stands_alone() -> None:
    whys = tuple(Message("user", f"Why? {n}") for n in range(9))
    assert standalone("Why?", whys) == "Why? 6 Why? 7 Why? 8 Why?"
    talk = (*TALK, Message("user", "How deep is the harbour basin?"), Message("user", "And wide?"))
    assert standalone("And long?", talk) == "How deep is the harbour basin? And wide? And long?"
