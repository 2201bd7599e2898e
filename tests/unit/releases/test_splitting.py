from dataclasses import replace

from tandem.domain.question import Message, Question
from tandem.pipeline.releases.splitting import taken, unit

FIRST = Question("When does it open?")
SECOND = Question("And close?", (Message("user", FIRST.text), Message("assistant", "At seven.")))


def units(count: int) -> list[str]:
    return [unit(Question(f"question {number}"), "acme", "page") for number in range(count)]


def test_the_share_is_the_weight() -> None:
    for weight in (0.05, 0.5, 0.95):
        share = sum(taken("r1", weight, each) for each in units(20_000)) / 20_000
        assert abs(share - weight) < 0.01


def test_the_ends_take_nobody_and_everybody() -> None:
    assert not any(taken("r1", 0.0, each) for each in units(500))
    assert all(taken("r1", 1.0, each) for each in units(500))


def test_a_higher_weight_gives_nobody_back() -> None:
    assert all(taken("r1", 0.3, each) for each in units(2_000) if taken("r1", 0.1, each))


def test_another_release_takes_others() -> None:
    both = sum(taken("r1", 0.5, each) and taken("r2", 0.5, each) for each in units(20_000))
    assert abs(both / 20_000 - 0.25) < 0.02


def test_a_conversation_stays_together_without_an_id() -> None:
    assert unit(FIRST, "acme", "page") == unit(SECOND, "acme", "page")
    with_system = replace(SECOND, conversation=(Message("system", "Be brief."), *SECOND.conversation))
    assert unit(with_system, "acme", "page") == unit(FIRST, "acme", "page")


def test_an_id_is_the_conversation_whatever_was_said_first() -> None:
    named = [replace(each, conversation_id="c-1") for each in (FIRST, Question("Something else"))]
    assert len({unit(each, "acme", "page") for each in named}) == 1
    assert unit(named[0], "acme", "page") != unit(named[0], "north", "page")


def test_two_people_who_ask_the_same_are_two() -> None:
    ann, bob = (replace(FIRST, user=name) for name in ("ann", "bob"))
    assert len({unit(each, tenant, "page") for each in (ann, bob, FIRST) for tenant in ("acme", "north")}) == 6
