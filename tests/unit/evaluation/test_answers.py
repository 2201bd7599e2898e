from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.domain.answer import Answered, Found
from tandem.domain.generation import ModelCard, Usage
from tandem.domain.passage import Passage, Retrieval
from tandem.pipeline.evaluation.answers import MEASURES, Expected, graded
from tandem.pipeline.evaluation.gold import contains, f1, normal
from tandem.pipeline.evaluation.statements import Statement, statements
from tandem.pipeline.evaluation.support import Signals, WordsAndMeaning, supported
from tandem.ports.answerer import WholeAnswer
from tandem.ports.judge import Claim
from tandem.prompting.citations import cite

HARBOUR = passage("The harbour opens at seven. It closes at nine.", document="harbour.md")
BREAD = passage("Sourdough wants flour and water.", document="bread.md")


class Literal:
    """A judge to whom only what stands there word for word is supported."""

    name = "literal@1"
    threshold = 0.5

    async def support(self, claims: Sequence[Claim]) -> list[float]:
        return [float(any(claim.statement in text for text in claim.evidence)) for claim in claims]


def whole(text: str, passages: Sequence[Passage], *, abstained: bool = False) -> WholeAnswer:
    found = Found(Retrieval(tuple(passages), 1.0), "q", ModelCard("m", "m", 1), "answer@1")
    citations = () if abstained else cite(text, passages)
    return WholeAnswer(
        found, text, Answered("abstained" if abstained else "answered", "stop", Usage(1, 1), citations), 0.1, 0.2
    )


async def measures(
    text: str,
    relevant: dict[str, int],
    *answers: str,
    abstained: bool = False,
    passages: Sequence[Passage] = (HARBOUR, BREAD),
) -> dict[str, float]:
    answer = whole(text, passages, abstained=abstained)
    return await graded(answer, passages, Expected(relevant, answers), Literal(), lambda each: each.chunk.document_id)


async def test_figures_by_hand() -> None:
    found = await measures(
        "It closes at nine. [1] The harbour opens at seven. [2] Nobody knows why.",
        {"harbour.md": 1, "lost.md": 1},
        "seven",
    )
    # Two citations, of which the second names the passage about bread; three statements, one of which is backed by what it
    # cites and two of which stand in one of the passages; of two relevant documents one is cited, beside one that is not.
    assert found == {
        "citation_precision": 1 / 2,
        "citation_recall": pytest.approx(1 / 3),
        "gold_cited": 1 / 2,
        "cites_gold": 1 / 2,
        "groundedness": pytest.approx(2 / 3),
        "answer_contains": 1.0,
        "answer_f1": pytest.approx(2 * 1 / (11 + 1)),
    }


async def test_an_answer_without_marks_is_held_against_what_the_platform_cites_for_it() -> None:
    found = await measures("The harbour opens at seven.", {"harbour.md": 1})
    assert found == {
        "citation_precision": 1.0, "citation_recall": 1.0, "gold_cited": 1.0, "cites_gold": 1.0, "groundedness": 1.0,
    }  # fmt: skip


async def test_who_abstains_cites_nothing_and_is_not_wrong_about_anything() -> None:
    assert await measures("I don't know.", {"harbour.md": 1}, "seven", abstained=True) == {
        "gold_cited": 0.0, "answer_contains": 0.0, "answer_f1": 0.0,
    }  # fmt: skip
    assert await measures("I don't know.", {}, abstained=True) == {}


async def test_an_invented_answer_has_no_precision_to_speak_of_and_no_recall() -> None:
    found = await measures("The moon is made of cheese.", {"harbour.md": 1})
    assert found == {"citation_recall": 0.0, "gold_cited": 0.0, "groundedness": 0.0}


@given(st.text(max_size=60), st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_gold_measures_are_shares(answer: str, gold: list[str]) -> None:
    assert contains(answer, gold) in {0.0, 1.0}
    assert 0 <= f1(answer, gold) <= 1
    assert f1(answer, gold) == f1(answer, gold[::-1])


def test_gold_measures_by_hand() -> None:
    assert normal("The “Broncos”, a team! [1]") == "broncos team"
    assert contains("They won 24–10 against Denver. [2]", ["denver"]) == 1.0
    assert contains("unhappy", ["happy"]) == 0.0
    assert contains("anything", ["the"]) == 0.0
    assert f1("the Denver Broncos", ["Denver Broncos", "Broncos"]) == 1.0
    assert f1("the Denver Broncos won", ["Broncos"]) == pytest.approx(0.5)
    assert f1("", ["x"]) == 0.0


def test_statements_keep_the_marks_that_follow_them() -> None:
    assert statements("It opens at seven [1, 2]. It closes at nine. [3] [1] Bread!") == [
        Statement("It opens at seven .", (1, 2)),
        Statement("It closes at nine.", (3, 1)),
        Statement("Bread!", ()),
    ]
    assert statements("[1] [2]") == []


async def test_word_for_word_is_supported_without_an_embedding() -> None:
    embedder = HashingEmbedder()
    judge = WordsAndMeaning(embedder)
    assert await judge.support([Claim("it closes, at NINE!", (BREAD.chunk.text, HARBOUR.chunk.text))]) == [1.0]
    assert embedder.calls == 0


async def test_without_evidence_nothing_is_supported() -> None:
    judge = WordsAndMeaning(HashingEmbedder())
    assert await judge.support([Claim("It closes at nine.", ()), Claim("Bread?", ("",))]) == [0.0, 0.0]
    assert "hashing" in judge.name


async def test_the_signals_of_a_spoiled_statement() -> None:
    judge = WordsAndMeaning(HashingEmbedder())
    (found,) = await judge.signals(
        Claim("Under Helena it never opened before 8 or nine.", ("It opened at nine under Queen Sophia.",))
    )
    assert found.numbers_lacking == 0.5
    assert found.names_lacking == 1.0
    assert found.denial == 1.0


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.0, 1.0]))
def test_support_is_a_share_that_falls_with_all_that_is_lacking(
    cosine: float, numbers: float, names: float, denial: float
) -> None:
    value = supported(Signals(cosine, numbers, names, denial))
    assert 0 <= value <= 1
    assert value <= supported(Signals(cosine, 0.0, 0.0, 0.0))
    assert value <= supported(Signals(1.0, numbers, names, denial))


def test_every_measure_has_its_place() -> None:
    assert len(set(MEASURES)) == len(MEASURES) == 7
