"""Question in, passages out: in this process or in another."""

from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions


class Retriever(Protocol):
    """Finds what a standalone question can be answered from."""

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """Passages best first, only this tenant's; none when nothing is relevant enough.

        Raises `UnknownCollection`, `InvalidRequest`, `DeadlineExceeded`, `UpstreamUnavailable`.
        """
        ...
