"""The words that a search needs of a model, written in the slot that a request holds anyway."""

from tandem.admission.quotas import Reservation
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, UpstreamFailed
from tandem.domain.generation import Prompt, Token, Usage
from tandem.domain.question import Sampling
from tandem.pipeline.admitted import Admitted

# Engines that only quote what they are given.
_QUOTING = frozenset({"extractive"})
_CHARS_PER_TOKEN = 3


class SlotRewriter:
    """`ports/rewriter.py` over the pool and the slot of one admitted request.

    No second slot is waited for while one is held, so background words can neither starve answers nor lock up with them;
    what they take is charged to the same reservation.
    """

    def __init__(self, admitted: Admitted, bill: Reservation) -> None:
        self._admitted = admitted
        self._bill = bill

    async def available(self) -> bool:
        """False where what answers can only quote."""
        return (await self._admitted.model()).engine not in _QUOTING

    async def write(
        self, prompt: Prompt, context: RequestContext, *, max_tokens: int, schema: str | None = None
    ) -> str:
        """See the port. A server that takes no schema is asked once more without it."""
        del context
        sampling = Sampling(max_tokens=max_tokens, temperature=0.0, json_schema=schema)
        try:
            return await self._written(prompt, sampling)
        except InvalidRequest:
            if schema is None:
                raise
            return await self._written(prompt, Sampling(max_tokens=max_tokens, temperature=0.0))

    async def _written(self, prompt: Prompt, sampling: Sampling) -> str:
        said: list[str] = []
        usage: Usage | None = None
        read = sum(len(message.content) for message in prompt.messages) // _CHARS_PER_TOKEN
        try:
            async with self._admitted.stream(prompt, sampling) as events:
                async for event in events:
                    if isinstance(event, Token):
                        said.append(event.text)
                        continue
                    usage = event.usage
                    self._admitted.used(usage)
                    return "".join(said)
            raise UpstreamFailed("The model's words ended without an end.")
        finally:
            taken = usage or Usage(read if said else 0, len(said))
            self._admitted.aside(taken)
            self._bill.aside += taken.total_tokens
