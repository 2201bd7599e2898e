from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.document import Chunk
from tandem.domain.passage import Passage
from tandem.domain.question import Reach
from tandem.retrieval.neighbours import Widened, wanted, widened

TEXT = "Alpha one. Beta two. Gamma three. Delta four. Epsilon five. Zeta six. Eta seven. Theta eight."
# Every chunk shares its last sentence with the next one, as the chunker's overlap does; the fourth shares nothing.
SPANS = ((0, 20), (11, 33), (21, 33), (34, 59), (46, 69), (60, 93))


def chunk(ordinal: int, document: str = "a.md", section: str = "A") -> Chunk:
    start, end = SPANS[ordinal]
    return Chunk(document, ordinal, TEXT[start:end], ("Guide", section), start, end, tokens=10)


CHUNKS = [chunk(n) for n in range(len(SPANS))]


def passages(*ordinals: int) -> list[Passage]:
    return [Passage(CHUNKS[n], "Guide", "a.md") for n in ordinals]


def around(found: list[Passage], reach: Reach, budget: int = 1000) -> Widened:
    places = set(wanted(found, reach))
    return widened(found, [each for each in CHUNKS if (each.document_id, each.ordinal) in places], reach, budget)


def ordinals(passage: Passage) -> list[int]:
    return [part.ordinal for part in passage.parts]


def test_what_is_wanted_is_what_stands_around_and_was_not_found() -> None:
    assert wanted(passages(0, 2), 1) == (("a.md", 1), ("a.md", 3))
    assert wanted(passages(0), 0) == ()


def test_the_text_is_the_document_s_and_the_overlap_is_told_once() -> None:
    (wide,) = around(passages(1), 1).passages
    assert wide.chunk.text == TEXT[0:33]
    assert (wide.chunk.start, wide.chunk.end, wide.chunk.ordinal, wide.chunk.tokens) == (0, 33, 1, 30)
    assert ordinals(wide) == [0, 1, 2]
    for part in wide.parts:
        assert wide.chunk.text[part.start - wide.chunk.start : part.end - wide.chunk.start] == part.text


def test_between_chunks_that_share_nothing_are_blanks() -> None:
    (wide,) = around(passages(2), 1).passages
    assert wide.chunk.text == f"{TEXT[11:33]}\n{TEXT[34:59]}"
    assert len(wide.chunk.text) == wide.chunk.end - wide.chunk.start


def test_passages_that_meet_become_one_at_the_better_one_s_place() -> None:
    found = around(passages(4, 0, 2), 1)
    assert [ordinals(each) for each in found.passages] == [[0, 1, 2, 3, 4, 5]]
    assert found.passages[0].chunk.ordinal == 4
    assert [(each.passage.chunk.ordinal, each.reason, each.by) for each in found.dropped] == [
        (0, "merged", "a.md#4"),
        (2, "merged", "a.md#4"),
    ]


def test_the_best_passage_is_widened_first_and_nearest_first() -> None:
    found = around(passages(4, 0), 2, budget=20)
    assert [ordinals(each) for each in found.passages] == [[3, 4, 5], []]


def test_without_room_nothing_is_added() -> None:
    assert around(passages(1), 2, budget=9).passages == tuple(passages(1))


def test_a_section_is_what_stands_under_the_same_headings() -> None:
    other = [replace(each, title_path=("Guide", "B")) if each.ordinal > 2 else each for each in CHUNKS]
    (wide,) = widened(passages(1), other, "section", 1000).passages
    assert ordinals(wide) == [0, 1, 2]


def test_a_neighbour_of_another_version_of_the_document_is_left_out() -> None:
    changed = replace(CHUNKS[2], text="Something else.")
    (wide,) = widened(passages(1), [CHUNKS[0], changed], 1, 1000).passages
    assert ordinals(wide) == [0, 1]
    far = replace(CHUNKS[2], start=9_000, end=9_012)
    assert ordinals(widened(passages(1), [CHUNKS[0], far], 1, 1000).passages[0]) == [0, 1]


def test_documents_are_not_mixed() -> None:
    other = replace(CHUNKS[1], document_id="b.md")
    found = widened([*passages(0), Passage(other, "Guide", "b.md")], [], 3, 1000)
    assert [each.parts for each in found.passages] == [(), ()]


@pytest.mark.parametrize("reach", [1, 2, "section"])
def test_nothing_found_nothing_wanted(reach: Reach) -> None:
    assert wanted([], reach) == ()
    assert widened([], [], reach, 100) == Widened((), ())


@given(st.lists(st.integers(0, 5), unique=True, max_size=6), st.integers(0, 3), st.integers(0, 60))
def test_every_passage_is_kept_or_merged_and_the_budget_holds(found: list[int], reach: int, budget: int) -> None:
    before = passages(*found)
    wide = around(before, reach, budget)
    kept = [each.chunk.ordinal for each in wide.passages]
    assert sorted([*kept, *(each.passage.chunk.ordinal for each in wide.dropped)]) == sorted(found)
    assert sum(each.chunk.tokens for each in wide.passages) <= 10 * len(found) + budget
    spans = sorted((each.chunk.start, each.chunk.end) for each in wide.passages if each.parts)
    for each in wide.passages:
        assert TEXT[each.chunk.start : each.chunk.end].split() == each.chunk.text.split()
    assert all(one[0] < other[0] for one, other in pairwise(spans))
