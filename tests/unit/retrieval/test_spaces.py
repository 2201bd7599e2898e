"""What a process with other models than a version was made with may search it by."""

from dataclasses import replace

import pytest

from fakes.chunks import RECIPE
from fakes.words import Words, WordWeights
from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch
from tandem.domain.query import Query, QueryPlan
from tandem.retrieval.plan import WORDS
from tandem.retrieval.spaces import Spaces, shared

CARD, SPARSE = Words.card, WordWeights.name
PLAN = QueryPlan((Query("both"), Query("by words", "expansion", dense=False), Query("by meaning", sparse=False)))


@pytest.mark.parametrize(
    ("recipe", "lacking"),
    [
        (RECIPE, ()),
        (replace(RECIPE, chunker="other"), ()),
        (replace(RECIPE, embedder="other"), ("dense_mismatch",)),
        (replace(RECIPE, dimensions=RECIPE.dimensions + 1), ("dense_mismatch",)),
        (replace(RECIPE, sparse="other"), ("sparse_mismatch",)),
    ],
)
def test_what_is_made_alike_is_searched_by(recipe: Recipe, lacking: tuple[str, ...]) -> None:
    assert shared("docs@1", recipe, CARD, SPARSE).lacking == lacking
    assert set(lacking) <= WORDS


def test_with_nothing_in_common_it_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StoreMismatch, match="docs@3 cannot be searched here") as caught:
        shared("docs@3", replace(RECIPE, embedder="theirs", sparse="other"), CARD, SPARSE)
    assert "theirs" in caught.value.message
    assert "tandem collections build docs`" in (caught.value.hint or "")


def test_a_plan_keeps_the_question_and_the_queries_that_have_a_leg_left() -> None:
    def left(spaces: Spaces) -> list[tuple[str, bool, bool]]:
        return [(query.text, query.dense, query.sparse) for query in spaces.limited(PLAN).queries]

    assert Spaces(dense=True, sparse=True).limited(PLAN) is PLAN
    assert left(Spaces(dense=False, sparse=True)) == [("both", False, True), ("by words", False, True)]
    assert left(Spaces(dense=True, sparse=False)) == [("both", True, False), ("by meaning", True, False)]
