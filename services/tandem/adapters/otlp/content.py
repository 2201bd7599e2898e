"""What was said, as the JSON that the GenAI conventions have for messages and documents. Nothing, where no text was kept."""

from typing import Any

import orjson

from tandem.domain.passage import Scores
from tandem.domain.question import Message
from tandem.domain.record import AnswerRecord, RecordedPassage
from tandem.domain.sayable import sayable

# The number that ranks a passage is that of the last stage that gave it one.
_RANKED_BY = ("relevance", "rerank", "fused", "dense", "sparse")


def asked(record: AnswerRecord) -> str | None:
    """The question with the conversation before it, as the client sent them."""
    if record.question.text is None:
        return None
    return written([*map(_message, record.question.conversation), _turn("user", record.question.text)])


def instructions(record: AnswerRecord) -> str | None:
    """What the model was told beforehand."""
    said = [message.content for message in _prompted(record) if message.role == "system"]
    return written([_part(text) for text in said]) if said else None


def model_messages(record: AnswerRecord) -> str | None:
    """What the model was sent beside that."""
    said = [message for message in _prompted(record) if message.role != "system"]
    return written([_message(message) for message in said]) if said else None


def answer(record: AnswerRecord) -> str | None:
    """What came back, as far as it came."""
    if not record.answer.text:
        return None
    turn = _turn("assistant", record.answer.text)
    return written([{**turn, "finish_reason": record.answer.finish_reason or "error"}])


def documents(record: AnswerRecord) -> str | None:
    """The passages, best first; an empty list where there was nothing to find."""
    if not any(stage.name == "retrieval" for stage in record.timing.stages):
        return None
    return written([document(passage) for passage in record.retrieval.passages])


def document(passage: RecordedPassage) -> dict[str, Any]:
    """One of them; id and score are the convention's, the rest is what else is known."""
    known: dict[str, Any] = {
        "id": passage.chunk_id,
        "score": ranked_by(passage.scores),
        "document_id": passage.document_id,
        "title": passage.title,
        "source": passage.source,
        "page": passage.page,
        "flags": list(passage.flags) or None,
        "content": passage.text,
    }
    return {key: value for key, value in known.items() if value is not None and value != ""}


def ranked_by(scores: Scores) -> float:
    """The one number of a passage."""
    return next((float(value) for name in _RANKED_BY if (value := getattr(scores, name)) is not None), 0.0)


def written(value: object) -> str:
    """JSON."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(sayable(value)).decode()


def _prompted(record: AnswerRecord) -> tuple[Message, ...]:
    return () if record.prompt is None else record.prompt.messages


def _message(message: Message) -> dict[str, Any]:
    return _turn(message.role, message.content)


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [_part(text)]}


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
