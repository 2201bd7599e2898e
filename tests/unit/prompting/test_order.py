from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.domain.passage import Passage
from tandem.prompting.fences import fence_passages, fence_question, unfence
from tandem.prompting.order import reading_order


def at(document: str, start: int) -> Passage:
    made = passage(f"{document} {start}", start, document=document)
    return replace(made, chunk=replace(made.chunk, start=start))


def test_documents_by_their_best_passage_and_their_passages_as_they_have_them() -> None:
    ranked = [at("b", 50), at("a", 7), at("b", 10), at("c", 1), at("a", 3)]
    assert [(number, each.chunk.document_id, each.chunk.start) for number, each in reading_order(ranked)] == [
        (3, "b", 10),
        (1, "b", 50),
        (5, "a", 3),
        (2, "a", 7),
        (4, "c", 1),
    ]


def test_a_passage_keeps_the_number_of_its_rank_in_the_prompt() -> None:
    fenced = unfence(fence_passages([at("a", 9), at("a", 2)]) + fence_question("q"))
    assert fenced is not None
    assert [(each.number, each.text) for each in fenced.passages] == [(2, "a 2"), (1, "a 9")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=8))
def test_every_passage_is_read_once_under_its_own_number(rows: list[tuple[str, int]]) -> None:
    ranked = [at(*row) for row in rows]
    read = reading_order(ranked)
    assert sorted(number for number, _ in read) == list(range(1, len(ranked) + 1))
    assert all(ranked[number - 1] is each for number, each in read)
