"""A rewriter that writes what it was given to write."""

import asyncio
from collections.abc import Mapping

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.generation import Prompt


class ScriptedRewriter:
    """`ports/rewriter.py` for tests. `texts` by the prompt's template; `asked` holds the prompts, `schemas` theirs.

    `error` is raised instead; with `hangs` nothing is ever written.
    """

    def __init__(
        self,
        texts: Mapping[str, str] | None = None,
        *,
        here: bool = True,
        error: TandemError | None = None,
        hangs: bool = False,
    ) -> None:
        self._texts = dict(texts or {})
        self._here = here
        self._error = error
        self._hangs = hangs
        self.asked: list[Prompt] = []
        self.schemas: list[str | None] = []

    async def available(self) -> bool:
        """As it was told."""
        return self._here

    async def write(
        self, prompt: Prompt, context: RequestContext, *, max_tokens: int, schema: str | None = None
    ) -> str:
        """The template's text, at most so many words of it."""
        del context
        self.asked.append(prompt)
        self.schemas.append(schema)
        if self._error is not None:
            raise self._error
        if self._hangs:
            await asyncio.Event().wait()
        text = self._texts.get(prompt.template, "")
        return text if len(text.split()) <= max_tokens else " ".join(text.split()[:max_tokens])
