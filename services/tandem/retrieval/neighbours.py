"""A passage with what stands around it: the chunks before and after, or the section it is part of.

The passages' texts stay slices of their documents, so that a place in a widened passage is a place in the document, and
in one of the chunks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tandem.domain.document import Chunk
from tandem.domain.passage import Dropped, Passage
from tandem.domain.question import Reach

Place = tuple[str, int]

MOST_NEIGHBOURS = 5
# A section longer than this is no passage any more.
_SECTION_REACH = 8
# Only blanks stand between two chunks that share nothing; more than this are a sign of two versions of a document.
_MOST_BLANKS = 1_000


@dataclass(frozen=True, slots=True)
class Widened:
    """`dropped` are those that became part of a better one."""

    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]


def wanted(passages: Sequence[Passage], reach: Reach) -> tuple[Place, ...]:
    """Document and ordinal of each chunk that may be added, those that were found left out."""
    found = {_place(passage.chunk) for passage in passages}
    steps = _steps(reach)
    around = dict.fromkeys(
        (passage.chunk.document_id, ordinal)
        for passage in passages
        for ordinal in range(max(0, passage.chunk.ordinal - steps), passage.chunk.ordinal + steps + 1)
    )
    return tuple(place for place in around if place not in found)


def widened(passages: Sequence[Passage], around: Iterable[Chunk], reach: Reach, budget: int) -> Widened:
    """Each passage with its neighbours, nearest first, the best passage first, until `budget` more tokens are spent.

    Passages that meet become one, at the place of the better one.
    """
    chunks = {_place(chunk): chunk for chunk in around} | {_place(each.chunk): each.chunk for each in passages}
    owned = {_place(passage.chunk) for passage in passages}
    left = budget
    for passage in passages:
        open_ends = {1: passage.chunk, -1: passage.chunk}
        for _ in range(_steps(reach)):
            for step, end in list(open_ends.items()):
                other = _next(end, step, chunks, reach)
                if other is None or _place(other) in owned or other.tokens > left:
                    del open_ends[step]
                    continue
                left -= other.tokens
                owned.add(_place(other))
                open_ends[step] = other
    return _joined(passages, [chunks[place] for place in sorted(owned)])


def _steps(reach: Reach) -> int:
    return _SECTION_REACH if reach == "section" else reach


def _next(chunk: Chunk, step: int, chunks: Mapping[Place, Chunk], reach: Reach) -> Chunk | None:
    other = chunks.get((chunk.document_id, chunk.ordinal + step))
    if other is None or (reach == "section" and other.title_path != chunk.title_path):
        return None
    return other if _fit(*((chunk, other) if step > 0 else (other, chunk))) else None


def _joined(passages: Sequence[Passage], chunks: Sequence[Chunk]) -> Widened:
    """Runs of chunks that follow each other, each under its best passage."""
    runs: list[list[Chunk]] = []
    for chunk in chunks:
        if runs and _follows(runs[-1][-1], chunk):
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    found = {_place(passage.chunk): rank for rank, passage in enumerate(passages)}
    kept: dict[int, Passage] = {}
    dropped: dict[int, Dropped] = {}
    for run in runs:
        best, *others = sorted(found[_place(chunk)] for chunk in run if _place(chunk) in found)
        kept[best] = _merged(passages[best], run)
        for other in others:
            dropped[other] = Dropped(passages[other], "merged", passages[best].chunk.id)
    return Widened(tuple(kept[rank] for rank in sorted(kept)), tuple(dropped[rank] for rank in sorted(dropped)))


def _merged(passage: Passage, run: Sequence[Chunk]) -> Passage:
    if len(run) == 1:
        return passage
    pieces = [run[0].text]
    for before, after in pairwise(run):
        # What both hold is told once; only blanks can be between two that share nothing.
        shared = before.end - after.start
        pieces.append(after.text[shared:] if shared >= 0 else "\n" * -shared + after.text)
    whole = replace(
        passage.chunk,
        text="".join(pieces),
        start=run[0].start,
        end=run[-1].end,
        tokens=sum(chunk.tokens for chunk in run),
        page=run[0].page,
    )
    return replace(passage, chunk=whole, parts=tuple(run))


def _fit(before: Chunk, after: Chunk) -> bool:
    """True unless they are of two versions of the document, one of which was written in between."""
    shared = before.end - after.start
    if not before.start <= after.start or not before.end <= after.end or shared < -_MOST_BLANKS:
        return False
    return shared <= 0 or before.text[-shared:] == after.text[:shared]


def _follows(before: Chunk, after: Chunk) -> bool:
    near = before.document_id == after.document_id and before.ordinal + 1 == after.ordinal
    return near and _fit(before, after)


def _place(chunk: Chunk) -> Place:
    return chunk.document_id, chunk.ordinal
