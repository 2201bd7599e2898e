"""Parts of a record as a row has them; lists of ours become what JSON calls lists."""

from collections.abc import Sequence
from typing import Any

import orjson

from tandem.domain.question import Message
from tandem.domain.record import RecordedCitation, RecordedPassage
from tandem.domain.sayable import sayable


def plain(value: Any) -> Any:
    """As it is."""
    return value


def texts(value: Sequence[str]) -> list[str]:
    """Words."""
    return list(value)


def json(value: Any) -> str:
    """A part that is too varied for columns."""
    return orjson.dumps(sayable(value)).decode()


def microseconds(epoch_s: float) -> int:
    """Since 1970."""
    return round(epoch_s * 1e6)


def turns(said: Sequence[Message]) -> list[dict[str, str]]:
    """Messages."""
    return [{"role": message.role, "content": message.content} for message in said]


def citations(cited: Sequence[RecordedCitation]) -> list[dict[str, Any]]:
    """Numbers in the answer, with their spans."""
    return [
        {"number": each.number, "chunk_id": each.chunk_id, "start_char": each.start, "end_char": each.end}
        for each in cited
    ]


def passages(found: Sequence[RecordedPassage]) -> list[dict[str, Any]]:
    """What the answer was made from; `start_char` and `end_char` are the span in the document."""
    return [_passage(passage) for passage in found]


def _passage(passage: RecordedPassage) -> dict[str, Any]:
    scores = passage.scores
    return {
        "chunk_id": passage.chunk_id,
        "document_id": passage.document_id,
        "title": passage.title,
        "source": passage.source,
        "start_char": passage.start,
        "end_char": passage.end,
        "page": passage.page,
        "dense": scores.dense,
        "sparse": scores.sparse,
        "fused": scores.fused,
        "rerank": scores.rerank,
        "relevance": scores.relevance,
        "marginal": scores.marginal,
        "flags": list(passage.flags),
        "content": passage.text,
    }
