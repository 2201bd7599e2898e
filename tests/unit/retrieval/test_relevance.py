import pytest

from fakes.passages import passage
from tandem.domain.context import RequestContext
from tandem.domain.text import stems
from tandem.retrieval.blend import Blend
from tandem.retrieval.relevance import THRESHOLD, coverage, relevance


def test_coverage_counts_stems_by_their_length() -> None:
    assert coverage(stems("opening harbours"), "The harbour opens.") == 1.0
    assert coverage(stems("harbour zoo"), "The harbour.") == pytest.approx(7 / 10)
    assert coverage(stems("harbour harbour"), "A zoo.") == 0.0
    assert coverage([], "The harbour.") == 0.0


def test_relevance_needs_both_signals_and_never_falls_when_one_grows() -> None:
    assert relevance(0.9, 0.0) == relevance(0.0, 1.0) == relevance(-0.5, 1.0) < THRESHOLD
    steps = [relevance(cosine / 10, 0.8) for cosine in range(11)]
    assert steps == sorted(steps)
    assert steps[-1] > 0.99


async def test_the_blend_puts_first_what_both_legs_like() -> None:
    both = passage("The harbour opens at seven.", 0, dense=0.7, sparse=9.0)
    meaning = passage("The port welcomes ships.", 1, dense=0.75)
    words = passage("The harbour.", 2, sparse=9.0)
    scores = await Blend().score("When does the harbour open?", [words, both, meaning], RequestContext("r"))
    assert max(scores) == scores[1]
    assert await Blend().score("anything", [], RequestContext("r")) == []
    assert Blend().name == "blend@1"
