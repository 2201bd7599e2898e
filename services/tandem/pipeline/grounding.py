"""Retrieval as an answer needs it: within its share of the time, and dispensable where the settings say so."""

import asyncio
from dataclasses import replace
from typing import Literal

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, StoreBusy, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions
from tandem.ports.clock import Clock
from tandem.ports.retriever import Retriever
from tandem.retrieval.plan import UNAVAILABLE

OnFailure = Literal["fail", "answer_without"]

# That a request is wrong is no failure of retrieval: it is told, whatever the settings say.
_FAILURES = (DeadlineExceeded, Overloaded, StoreBusy, UpstreamFailed, UpstreamUnavailable)


class Grounding:
    """`ports/retriever.py` around another one, for answers.

    `share` of the time that is left when it begins is the most it takes: what comes too late to be answered from is
    worth nothing, and a fixed share is known before anything was measured. With `answer_without` a failure, be it of the
    store, the embedder or for want of time, is a retrieval that is `unavailable`.
    """

    def __init__(self, inner: Retriever, clock: Clock, *, share: float = 0.5, on_failure: OnFailure = "fail") -> None:
        self._inner = inner
        self._clock = clock
        self._share = share
        self._on_failure = on_failure

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """See the port."""
        try:
            return await self._in_time(question, options, context)
        except _FAILURES:
            if self._on_failure == "fail":
                raise
            return Retrieval((), 0.0, (UNAVAILABLE,))

    async def _in_time(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        if context.deadline_s is None:
            return await self._inner.retrieve(question, options, context)
        now_s = self._clock.monotonic_s()
        share_s = self._share * (context.deadline_s - now_s)
        if share_s <= 0:
            raise DeadlineExceeded("retrieval")
        hurried = replace(context, deadline_s=now_s + share_s)
        try:
            # The parts keep to it themselves, and know better where it passed; this is the net below them.
            async with asyncio.timeout(share_s):
                return await self._inner.retrieve(question, options, hurried)
        except TimeoutError as error:
            raise DeadlineExceeded("retrieval") from error


def unavailable(retrieval: Retrieval) -> bool:
    """True when nothing was searched, as opposed to nothing being found."""
    return UNAVAILABLE in retrieval.degraded
