from dataclasses import replace

from tandem.domain.document import Chunk
from tandem.domain.passage import Passage
from tandem.prompting.citations import cite
from tandem.prompting.parts import part_at

TEXT = "It opens at seven. It closes at nine. Tickets cost four crowns. Dogs travel free."
SPANS = ((0, 37), (19, 63), (64, 81))
PARTS = tuple(
    Chunk("a.md", n, TEXT[start:end], ("Guide",), start, end, 9, page=n + 1) for n, (start, end) in enumerate(SPANS)
)
WIDE = Passage(replace(PARTS[1], text=TEXT, start=0, end=len(TEXT)), "Guide", "a.md", parts=PARTS)


def quoted(sentence: str) -> tuple[int, str]:
    start = TEXT.index(sentence)
    part, first, last = part_at(WIDE, start, start + len(sentence))
    assert part.parts == ()
    return part.chunk.ordinal, part.chunk.text[first:last]


def test_a_place_is_in_the_chunk_that_holds_it() -> None:
    assert quoted("It opens at seven.") == (0, "It opens at seven.")
    assert quoted("Tickets cost four crowns.") == (1, "Tickets cost four crowns.")
    assert quoted("Dogs travel free.") == (2, "Dogs travel free.")


def test_what_two_chunks_share_is_in_the_one_that_was_found() -> None:
    assert quoted("It closes at nine.") == (1, "It closes at nine.")


def test_a_place_across_chunks_is_cut_to_the_one_that_holds_most_of_it() -> None:
    assert quoted("four crowns. Dogs travel free.") == (2, "Dogs travel free.")
    assert quoted("It opens at seven. It closes at nine. Tickets") == (0, "It opens at seven. It closes at nine.")


def test_a_passage_that_was_not_widened_is_its_own_part() -> None:
    plain = Passage(PARTS[0], "Guide", "a.md")
    assert part_at(plain, 3, 9) == (plain, 3, 9)


def test_a_citation_names_the_chunk_and_the_page_of_its_sentence() -> None:
    (citation,) = cite("Dogs travel free [1].", [WIDE])
    assert (citation.passage.chunk.id, citation.passage.chunk.page) == ("a.md#2", 3)
    assert citation.passage.chunk.text[citation.start : citation.end] == "Dogs travel free."
