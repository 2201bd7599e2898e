"""Passages that hold what the question put in quotes; others are not what was asked for."""

from collections.abc import Sequence

from tandem.domain.passage import Dropped, Passage


def holding(phrases: Sequence[str], passages: Sequence[Passage]) -> tuple[list[Passage], list[Dropped]]:
    """Those whose text or headings hold every phrase, whatever its case and the blanks between its words."""
    wanted = [_plain(phrase) for phrase in phrases]
    kept: list[Passage] = []
    dropped: list[Dropped] = []
    for passage in passages:
        said = _plain(" ".join((*passage.chunk.title_path, passage.chunk.text)))
        if all(phrase in said for phrase in wanted):
            kept.append(passage)
        else:
            dropped.append(Dropped(passage, "lacks_phrase"))
    return kept, dropped


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
