from dataclasses import replace

from tandem.domain.context import RequestContext
from tandem.domain.question import Message, Question, RetrievalOptions
from tandem.domain.release import BASE, Book, Release
from tandem.pipeline.releases.choosing import Always, Choosing

CONTEXT = RequestContext("r", "acme", user="page")
ASKED = Question("When does it open?")
SERVING = Release("first", prompt="answer@1", pools=("gpu",), state="serving")
TRIED = Release("second", prompt="answer@2", collection="docs@3", pools=("cloud",), weight=1.0)


class Follows:
    """A chooser that has seen a book, and what it sent to the shadows."""

    def __init__(self, *releases: Release, broken: str = "", forbidden: str = "") -> None:
        self.shadows: list[tuple[str, Question]] = []
        self.chooser = Choosing(
            lambda release: "no such prompt" if release.prompt == broken else None,
            lambda _tenant, _collection, pools: forbidden not in pools,
            lambda release, question, _context: self.shadows.append((release.name, question)),
        )
        self.chooser.see(Book(1, releases))

    def named(self, question: Question = ASKED, context: RequestContext = CONTEXT) -> str:
        return self.chooser.choose(question, context).release


def test_without_any_the_configuration_serves() -> None:
    choice = Follows().chooser.choose(ASKED, CONTEXT)
    assert (choice.release, choice.question, choice.pools, choice.shadow) == (BASE, ASKED, None, None)


def test_a_candidate_brings_all_that_it_is_made_of() -> None:
    choice = Follows(SERVING, TRIED).chooser.choose(ASKED, CONTEXT)
    assert choice.release == "second" and choice.pools == frozenset({"cloud"})
    assert (choice.question.prompt, choice.question.retrieval.collection) == ("answer@2", "docs@3")


def test_what_serves_takes_the_version_that_serves() -> None:
    choice = Follows(replace(SERVING, collection="docs@2")).chooser.choose(ASKED, CONTEXT)
    assert choice.release == "first" and choice.pools == frozenset({"gpu"})
    assert (choice.question.prompt, choice.question.retrieval.collection) == ("answer@1", "docs")


def test_only_its_share_is_tried_and_always_the_same() -> None:
    follows = Follows(SERVING, replace(TRIED, weight=0.5))
    names = [follows.named(Question(f"question {number}")) for number in range(400)]
    assert 120 < names.count("second") < 280
    assert names == [follows.named(Question(f"question {number}")) for number in range(400)]


def test_who_chose_for_himself_is_left_alone() -> None:
    follows = Follows(SERVING, TRIED)
    assert follows.named(replace(ASKED, prompt="answer@7")) == ""
    assert follows.named(replace(ASKED, model="llama")) == ""


def test_another_collection_and_another_way_of_asking_are_not_tried() -> None:
    follows = Follows(SERVING, TRIED)
    assert follows.named(replace(ASKED, retrieval=RetrievalOptions(collection="other"))) == "first"
    assert follows.named(replace(ASKED, retrieval=RetrievalOptions(collection="docs@1"))) == "first"
    assert follows.named(context=replace(CONTEXT, mode="batch")) == "first"


def test_residency_comes_first() -> None:
    assert Follows(SERVING, TRIED, forbidden="cloud").named() == "first"
    assert Follows(SERVING, forbidden="gpu").named() == BASE


def test_what_this_process_does_not_know_is_not_used() -> None:
    assert Follows(SERVING, TRIED, broken="answer@2").named() == "first"
    assert Follows(SERVING, broken="answer@1").named() == BASE


def test_a_shadow_changes_nothing_for_who_asks() -> None:
    follows = Follows(SERVING, replace(TRIED, mode="shadow"))
    choice = follows.chooser.choose(ASKED, CONTEXT)
    assert choice.release == "first" and choice.question.prompt == "answer@1"
    assert follows.shadows == []
    follows.chooser.answered(choice, ASKED, CONTEXT)
    assert follows.shadows == [("second", ASKED)]


def test_a_shadow_is_of_a_conversations_first_turn() -> None:
    chooser = Follows(replace(TRIED, mode="shadow")).chooser
    follows = replace(ASKED, conversation=(Message("user", "Hello."), Message("assistant", "Good day.")))
    told = replace(ASKED, conversation=(Message("system", "Be short."),))
    assert [chooser.choose(asked, CONTEXT).shadow is None for asked in (ASKED, told, follows)] == [False, False, True]


def test_alone_it_answers_everything() -> None:
    choice = Always(TRIED).choose(ASKED, replace(CONTEXT, mode="async"))
    assert choice.release == "second" and choice.question.retrieval.collection == "docs@3"


def test_one_that_is_over_answers_nobody() -> None:
    follows = Follows(SERVING, replace(TRIED, state="rolled_back"))
    assert follows.named() == "first"
