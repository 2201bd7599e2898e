"""From a place in a widened passage back to the chunk that holds it."""

from dataclasses import replace

from tandem.domain.document import Chunk
from tandem.domain.passage import Passage


def part_at(passage: Passage, start: int, end: int) -> tuple[Passage, int, int]:
    """The chunk that holds most of the characters `start` to `end`, as a passage, and the same characters in its text.

    Where neighbours share them it is the one that was found. A passage that was not widened is its own part.
    """
    if not passage.parts:
        return passage, start, end
    first, last = passage.chunk.start + start, passage.chunk.start + end

    def held(part: Chunk) -> tuple[int, bool]:
        return min(last, part.end) - max(first, part.start), part.ordinal == passage.chunk.ordinal

    part = max(passage.parts, key=held)
    begin = min(max(first - part.start, 0), len(part.text))
    return replace(passage, chunk=part, parts=()), begin, min(max(last - part.start, begin), len(part.text))
