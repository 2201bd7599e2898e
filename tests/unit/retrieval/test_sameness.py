import pytest

from tandem.retrieval.sameness import folded, wording


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the drain timeout?", "what's the drain timeout"),
        ("Does the container run as root?", "Do containers run as root"),
        ("How can I promote a collection?", "Please tell me how to promote collections."),
    ],
)
def test_the_way_of_asking_makes_no_other_question(one: str, other: str) -> None:
    assert wording(one) == wording(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Another order may ask for the same, and often does not. By MiniLM the first five have cosines of .981, .997, .996, .945 and .877.
        ("Is the gateway called by the retriever?", "Is the retriever called by the gateway?"),
        ("Did Germany invade France?", "Did France invade Germany?"),
        ("How do I migrate from Redis to Valkey?", "How do I migrate from Valkey to Redis?"),
        ("What must not be shared?", "What must be shared?"),
        ("How do I enable TLS?", "How do I disable TLS?"),
        ("Is it less stable than the other?", "Is it more stable than the other?"),
        ("What happened in 1914?", "What happened in 1915?"),
        ("When did it open?", "Where did it open?"),
        ("What happens before a drain?", "What happens after a drain?"),
        ('What says "the drain timeout"?', 'What says "the drain timeouts"?'),
    ],
)
def test_what_asks_for_something_else_is_another_question(one: str, other: str) -> None:
    assert wording(one) != wording(other)
    assert folded(one) != folded(other)


def test_case_space_and_the_mark_at_the_end_are_folded() -> None:
    assert folded("  What is\n TTFT ? ") == folded("what is ttft")
    assert folded("What is C++?") != folded("What is C?")


def test_a_question_of_small_words_keeps_them() -> None:
    assert wording("What is it?") != wording("Who are you?")
    assert wording("") == ()
