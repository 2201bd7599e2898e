"""Texts that somebody wants the vectors of: reserved from the tenant's tokens before the model reads them, settled after."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from tandem.admission.quotas import Quotas, Reservation
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, TandemError
from tandem.ports.embedder import DenseVector, Embedder

_CHARS_PER_TOKEN = 3
# No tokenizer makes fewer tokens of a longer text; what lies behind is not read, and not worth counting.
_MAX_CHARS_PER_TOKEN = 100


@dataclass(frozen=True, slots=True)
class TextVectors:
    """One vector per text, in order, and the tokens that were read of all of them."""

    vectors: Sequence[DenseVector]
    tokens: int


async def text_vectors(
    embedder: Embedder, texts: Sequence[str], quotas: Quotas | None, context: RequestContext
) -> TextVectors:
    """Raises what the embedder and `Quotas.reserved` raise.

    Who leaves in the middle has used what was reserved: the model may have read all of it.
    """
    most = embedder.card.max_tokens
    expected = sum(max(1, min(len(text) // _CHARS_PER_TOKEN, most)) for text in texts)
    async with _reserved(quotas, expected, context) as bill:
        bill.settle(expected)
        try:
            vectors = await embedder.embed(texts, "document")
        except TandemError:
            bill.settle(0)
            raise
        tokens = sum(min(embedder.count_tokens(text[: _MAX_CHARS_PER_TOKEN * most]), most) for text in texts)
        bill.settle(tokens)
        return TextVectors(vectors, tokens)


def _reserved(quotas: Quotas | None, tokens: int, context: RequestContext) -> AbstractAsyncContextManager[Reservation]:
    if quotas is None:
        return nullcontext(Reservation(tokens))
    tenant = quotas.tenants.of(context.tenant)
    if tenant.tokens_per_minute is not None and tokens > tenant.tokens_per_minute:
        raise InvalidRequest(
            f"The texts have about {tokens} tokens; the tenant's quota is {tenant.tokens_per_minute} a minute.",
            hint="Send fewer texts at a time.",
            param="input",
        )
    return quotas.reserved(tenant, tokens, context)
