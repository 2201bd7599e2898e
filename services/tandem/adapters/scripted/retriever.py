"""A retriever that finds what it was given to find."""

from collections.abc import Sequence

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.passage import Passage, Retrieval
from tandem.domain.question import RetrievalOptions


class ScriptedRetriever:
    """`ports/retriever.py` for tests; `asked` holds what it was asked."""

    def __init__(self, passages: Sequence[Passage] = (), *, error: TandemError | None = None) -> None:
        self._passages = tuple(passages)
        self._error = error
        self.asked: list[tuple[str, RetrievalOptions, RequestContext]] = []

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """The passages, at most `options.top_k`."""
        self.asked.append((question, options, context))
        if self._error is not None:
            raise self._error
        return Retrieval(self._passages[: options.top_k], relevance=1.0 if self._passages else 0.0)
