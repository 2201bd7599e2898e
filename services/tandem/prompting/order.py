"""In which order passages are read: a document's own, so that what belongs together stands together."""

from collections.abc import Sequence

from tandem.domain.passage import Passage


def reading_order(passages: Sequence[Passage]) -> list[tuple[int, Passage]]:
    """Each passage with its number, its rank from 1: documents by their best passage, a document's passages as it has them.

    The numbers are those of the ranking, so that `[2]` in an answer is the second passage wherever it was read.
    """
    first: dict[str, int] = {}
    for rank, passage in enumerate(passages):
        first.setdefault(passage.chunk.document_id, rank)
    numbered = list(enumerate(passages, 1))
    numbered.sort(key=lambda each: (first[each[1].chunk.document_id], each[1].chunk.start, each[1].chunk.ordinal))
    return numbered
