"""Texts of like length, run through the model together."""

from collections.abc import Iterator, Sequence

# Padded tokens of one run. More gains nothing on a CPU (a core is busy from 4 x 128 on) and only takes memory.
BUDGET = 512


def batches(lengths: Sequence[int], budget: int = BUDGET, rows: int | None = None) -> Iterator[tuple[int, ...]]:
    """Positions in `lengths`, shortest first, such that rows times the longest row stays within `budget`.

    A row that is longer than the budget runs alone. No batch has more than `rows`, where that is given.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda each: (lengths[each], each)):
        if batch and ((len(batch) + 1) * lengths[position] > budget or len(batch) == rows):
            yield tuple(batch)
            batch = []
        batch.append(position)
    if batch:
        yield tuple(batch)
