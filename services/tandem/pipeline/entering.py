"""A request's way to its slot, and what it takes of its tenant's quotas there."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace

from tandem.admission.quotas import Quotas, Reservation
from tandem.domain.context import RequestContext
from tandem.domain.quota import Standing
from tandem.pipeline.admitted import Admitted
from tandem.pipeline.dispatching import Asked, Dispatch


class Entrance:
    """What somebody waits for has its tokens before it waits for a slot, so that it is refused at once; it was counted at the door.

    In the background both are taken with the slot: what waits there, maybe for hours, keeps nothing from those who ask now.
    """

    def __init__(self, dispatch: Dispatch, quotas: Quotas | None) -> None:
        self._dispatch = dispatch
        self._quotas = quotas

    def entered(
        self, asked: Asked, context: RequestContext
    ) -> AbstractAsyncContextManager[tuple[Reservation, Admitted]]:
        """Until left it has its slot. Raises what `Dispatch.admit` and `Quotas.reserved` raise."""
        return self._behind(asked, context) if asked.background else self._before(asked, context)

    @asynccontextmanager
    async def _before(self, asked: Asked, context: RequestContext) -> AsyncIterator[tuple[Reservation, Admitted]]:
        async with self._reserved(asked, context) as bill, self._dispatch.admit(asked, context) as admitted:
            yield bill, admitted

    @asynccontextmanager
    async def _behind(self, asked: Asked, context: RequestContext) -> AsyncIterator[tuple[Reservation, Admitted]]:
        async with self._dispatch.admit(asked, context) as admitted, self._reserved(asked, context) as bill:
            # Behind the tokens: those go back when it is refused, requests never do.
            await self._count(context)
            yield bill, admitted

    def _reserved(self, asked: Asked, context: RequestContext) -> AbstractAsyncContextManager[Reservation]:
        tokens = asked.prompt_tokens + asked.answer_tokens
        if self._quotas is None:
            return nullcontext(Reservation(tokens))
        return self._quotas.reserved(self._quotas.tenants.of(context.tenant), tokens, context)

    async def _count(self, context: RequestContext) -> None:
        """One request; how many run at the same time is the pools' business, who lend slots that nobody wants."""
        if self._quotas is not None:
            tenant = replace(self._quotas.tenants.of(context.tenant), concurrency=None)
            async with self._quotas.request(tenant, context.standing or Standing()):
                pass
