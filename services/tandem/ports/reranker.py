"""A second, closer look at the candidates."""

from collections.abc import Sequence
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.passage import Passage


class Reranker(Protocol):
    """Scores each passage against the question, together."""

    @property
    def name(self) -> str:
        """For traces and receipts."""
        ...

    async def score(self, question: str, passages: Sequence[Passage], context: RequestContext) -> list[float]:
        """One score per passage, in order; higher is better, units are the reranker's own."""
        ...
