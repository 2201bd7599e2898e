from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.domain.passage import Dropped, Passage
from tandem.retrieval.duplicates import Distinct
from tandem.retrieval.relevance import THRESHOLD
from tandem.retrieval.selection import Limits, judged, select

LONG = "The harbour of the old town opens at seven in the morning and closes at nine in the evening every day"
OTHER = "A ferry ticket to the northern island costs four crowns for adults and two crowns for children"


def without_repeats(passages: Sequence[Passage]) -> tuple[list[Passage], list[Dropped]]:
    """The best-ranked of each group of near-duplicates, and the others."""
    distinct = Distinct()
    kept: list[Passage] = []
    dropped: list[Dropped] = []
    for each in passages:
        twin = distinct.twin(each)
        if twin is None:
            distinct.take(each)
            kept.append(each)
        else:
            dropped.append(Dropped(each, "near_duplicate", twin))
    return kept, dropped


def test_a_near_duplicate_is_left_out_and_names_what_it_repeats() -> None:
    kept, dropped = without_repeats([passage(LONG, 0), passage(OTHER, 1), passage(f"Notice. {LONG}", 2)])
    assert [each.chunk.ordinal for each in kept] == [0, 1]
    assert [(each.reason, each.by) for each in dropped] == [("near_duplicate", "guide.md#0")]


def test_a_part_repeats_the_whole_and_the_whole_says_more_than_the_part() -> None:
    part, whole = passage(LONG, 0), passage(f"{LONG}. {OTHER}", 1)
    assert without_repeats([whole, part])[0] == [whole]
    assert without_repeats([part, whole])[0] == [part, whole]


def test_neighbours_that_share_a_little_both_stay() -> None:
    half = " ".join(LONG.split()[12:])
    assert len(without_repeats([passage(LONG), passage(f"{half} {OTHER}", 1)])[0]) == 2


def test_nothing_relevant_means_no_passages_at_all() -> None:
    found = select([passage(LONG, relevance=0.2), passage(OTHER, 1, relevance=0.1)], Limits(5, 99, 0.3))
    assert (found.passages, found.best) == ((), 0.2)
    assert {each.reason for each in found.dropped} == {"below_threshold"}
    assert select([], Limits(5, 99, 0.3)).best == 0.0


def test_weaker_passages_may_add_to_a_relevant_one() -> None:
    found = select([passage(LONG, relevance=0.1), passage(OTHER, 1, relevance=0.9)], Limits(5, 99, 0.3))
    assert len(found.passages) == 2


def test_what_does_not_fit_is_dropped_with_its_reason() -> None:
    texts = ("alpha", "beta", "gamma", "delta")
    candidates = [
        passage(f"{text} " * 5, n, tokens=tokens, relevance=0.9)
        for n, (text, tokens) in enumerate(zip(texts, (50, 60, 30, 10), strict=True))
    ]
    found = select(candidates, Limits(2, 90, 0.3))
    assert [each.chunk.ordinal for each in found.passages] == [0, 2]
    assert [(each.passage.chunk.ordinal, each.reason) for each in found.dropped] == [
        (1, "over_token_budget"),
        (3, "over_top_k"),
    ]


def test_headings_count_for_the_relevance() -> None:
    with_heading, without = judged(
        "guide harbour", [passage("The harbour.", dense=0.8), passage("The harbour.", dense=0.0)]
    )
    assert (with_heading.scores.relevance or 0) > 0.9
    assert (without.scores.relevance or 0) < 0.1


CANDIDATES = st.lists(
    st.tuples(st.sampled_from((LONG, OTHER, f"So {LONG}", "short", "")), st.integers(0, 200), st.floats(0, 1)),
    max_size=12,
).map(lambda rows: [passage(text, n, tokens=tokens, relevance=score) for n, (text, tokens, score) in enumerate(rows)])


@given(CANDIDATES, st.integers(1, 5), st.integers(0, 400), st.floats(0, 1))
def test_every_candidate_is_kept_or_dropped_once_and_the_budget_holds(
    candidates: list[Passage], top_k: int, max_tokens: int, threshold: float
) -> None:
    found = select(candidates, Limits(top_k, max_tokens, threshold))
    seen = [*found.passages, *(each.passage for each in found.dropped)]
    assert sorted(each.chunk.ordinal for each in seen) == list(range(len(candidates)))
    assert len(found.passages) <= top_k
    assert len(found.passages) <= 1 or sum(each.chunk.tokens for each in found.passages) <= max_tokens
    order = [each.chunk.ordinal for each in found.passages]
    assert order == sorted(order)
    assert bool(found.passages) == (bool(candidates) and found.best >= threshold)


@given(CANDIDATES)
def test_removing_repeats_twice_changes_nothing(candidates: list[Passage]) -> None:
    kept, _ = without_repeats(candidates)
    assert without_repeats(kept) == (kept, [])


def test_what_only_the_words_found_counts_as_no_nearer_than_the_farthest_by_meaning() -> None:
    by_words = passage("Valve E4711 is stuck.", 2, sparse=9.0)
    near, far = passage("Pumps.", 0, dense=0.6), passage("Pipes.", 1, dense=0.3)
    *_, found = judged("valve E4711", [near, far, by_words])
    (known,) = judged("valve E4711", [passage("Valve E4711 is stuck.", 2, dense=0.3)])
    assert found.scores.relevance == known.scores.relevance
    assert found.scores.dense is None
    assert select([found], Limits(5, 99, THRESHOLD)).passages == (found,)


def test_without_any_nearness_known_nearly_half_of_the_words_must_be_there() -> None:
    asked = "valve E4711 pressure gauge"
    (held,) = judged(asked, [passage("Valve E4711 is stuck.", sparse=9.0)])
    (missed,) = judged(asked, [passage("A valve is stuck.", sparse=4.0)])
    assert (held.scores.relevance or 0) >= THRESHOLD > (missed.scores.relevance or 0)
