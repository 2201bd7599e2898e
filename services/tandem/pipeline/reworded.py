"""Passages without an answer, for a question that a model words first: then only it takes a slot."""

from tandem.admission.quotas import Quotas
from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.entering import Entrance
from tandem.pipeline.rewording import Rewording
from tandem.pipeline.rewriting import SlotRewriter
from tandem.ports.retriever import Retriever
from tandem.ports.rewriter import NoRewriter


class Reworded:
    """`ports/retriever.py` around another one. The slot is free again before anything is searched.

    A model that has no room is done without, as one that fails is: passages are worth more than other words for them.
    """

    def __init__(
        self, inner: Retriever, rewording: Rewording, dispatch: Dispatch, quotas: Quotas | None = None
    ) -> None:
        self._inner = inner
        self._rewording = rewording
        self._entrance = Entrance(dispatch, quotas)

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port."""
        if self._rewording.stages((), options):
            options = await self._worded(question, options, context)
        return await self._inner.retrieve(question, options, context)

    async def _worded(self, question: str, options: RetrievalOptions, context: RequestContext) -> RetrievalOptions:
        asked = Asked(
            collection=options.collection,
            prompt_tokens=self._rewording.tokens(question, (), options),
            answer_tokens=0,
            opening=question,
        )
        hurried = self._rewording.hurried(context)
        try:
            async with self._entrance.entered(asked, hurried) as (bill, admitted):
                rewriter = SlotRewriter(admitted, bill)
                return (await self._rewording.worded(question, (), options, context, rewriter))[1]
        except TandemError:
            return (await self._rewording.worded(question, (), options, context, NoRewriter()))[1]
