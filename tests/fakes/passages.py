"""Passages made up for tests of retrieval and prompting."""

from tandem.domain.document import Chunk
from tandem.domain.passage import Passage, Scores


def passage(
    text: str, ordinal: int = 0, *, tokens: int | None = None, document: str = "guide.md", **scores: float
) -> Passage:
    """One chunk of `document`; `scores` as in `Scores`."""
    chunk = Chunk(document, ordinal, text, ("Guide",), 0, len(text), len(text.split()) if tokens is None else tokens)
    return Passage(chunk, title="Guide", source=document, scores=Scores(**scores))
