"""A receipt's question, as it is asked again."""

from typing import Any

from tandem.domain.errors import InvalidRequest
from tandem.http.wire.receipts import WireReceipt


def question_of(
    receipt: WireReceipt,
    *,
    collection: str | None,
    prompt: str | None,
    model: str | None,
    top_k: int | None,
    current: bool,
) -> dict[str, Any]:
    """The body of a chat request. What is not named is as the receipt says it was, or, where `current`, as it is now.

    Raises `InvalidRequest` for a receipt without its question.
    """
    if receipt.texts == "withheld":
        raise InvalidRequest(
            "The question of this receipt is not for you to read.", hint="Ask as the caller who did, or as an admin."
        )
    if receipt.texts == "not_kept" or not receipt.question.text:
        raise InvalidRequest(
            "The question of this receipt was not kept, so it cannot be asked again.",
            hint="Texts are kept of tenants with capture_content: true.",
        )
    found = receipt.retrieval
    if not current:
        collection = collection or found.collection or found.asked
        prompt = prompt or (receipt.prompt.template if receipt.prompt else None)
        model = model or (receipt.model.id if receipt.model else None)
    said = {
        **found.options.model_dump(),
        "collection": collection or found.asked,
        "prompt": prompt,
        # A kept answer would be the old one once more.
        "cache": False,
    }
    if top_k is not None:
        said["top_k"] = top_k
    sampling = receipt.sampling
    body = {
        "model": model or "tandem",
        "messages": [
            *(turn.model_dump() for turn in receipt.question.conversation),
            {"role": "user", "content": receipt.question.text},
        ],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": sampling.stop or None,
        "tandem": {name: value for name, value in said.items() if value is not None},
    }
    return {name: value for name, value in body.items() if value is not None}
