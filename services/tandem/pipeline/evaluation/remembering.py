"""An embedder that remembers the last questions: an evaluation asks each of them several times."""

from collections.abc import Sequence

from tandem.ports.embedder import DenseVector, Embedder, EmbedderCard, EmbedKind

_KEPT = 1024


class Remembering:
    """`ports/embedder.py` around another one; documents are not remembered."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[str, DenseVector] = {}

    @property
    def card(self) -> EmbedderCard:
        """The inner one's."""
        return self._inner.card

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """See the port."""
        if kind != "query":
            return await self._inner.embed(texts, kind)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = dict(zip(new, await self._inner.embed(new, kind), strict=True)) if new else {}
        known = {**self._known, **found}
        while len(self._known) + len(found) > _KEPT and self._known:
            del self._known[next(iter(self._known))]
        self._known.update(found)
        return [known[text] for text in texts]

    def count_tokens(self, text: str) -> int:
        """See the port."""
        return self._inner.count_tokens(text)
