"""The nested values of a record's row."""

from collections.abc import Sequence
from typing import Any

from tandem.domain.question import Message
from tandem.domain.record import AnswerRecord, RecordedPassage


def messages(said: Sequence[Message]) -> list[dict[str, str]]:
    """Turns of a conversation."""
    return [{"role": message.role, "content": message.content} for message in said]


def prompt_messages(record: AnswerRecord) -> list[dict[str, str]]:
    """What went to the model."""
    return [] if record.prompt is None else messages(record.prompt.messages)


def passages(record: AnswerRecord) -> list[dict[str, Any]]:
    """What the answer was made from."""
    return [_passage(passage) for passage in record.retrieval.passages]


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
