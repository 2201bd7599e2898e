"""A language model that writes a few words for a search, rather than an answer."""

from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.generation import Prompt


class Rewriter(Protocol):
    """Text in, text out."""

    async def available(self) -> bool:
        """True when a model is at hand that can write words of its own."""
        ...

    async def write(
        self, prompt: Prompt, context: RequestContext, *, max_tokens: int, schema: str | None = None
    ) -> str:
        """What the model makes of the prompt, greedily, at most `max_tokens` of it; cancelling it cancels the model.

        `schema`: a JSON schema that the answer follows, as far as the model's server holds it to one. Raises what
        `ports/generator.py` does.
        """
        ...


class NoRewriter:
    """Where there is no model."""

    async def available(self) -> bool:
        """Never."""
        return False

    async def write(
        self, prompt: Prompt, context: RequestContext, *, max_tokens: int, schema: str | None = None
    ) -> str:
        """Nothing."""
        del prompt, context, max_tokens, schema
        return ""
