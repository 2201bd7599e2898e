"""OpenAI's words for an answer, with the fields and the order that TGI gives them."""

from dataclasses import dataclass
from typing import Any

import orjson

from tandem.http.predictor.dialects import event
from tandem.http.predictor.faults import Fault
from tandem.http.predictor.generation import End, Piece

_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every object of one answer carries; `created` is seconds since 1970."""

    id: str
    created: int
    model: str
    fingerprint: str

    def head(self, kind: str) -> dict[str, Any]:
        """The first fields."""
        return {"object": kind, "id": self.id, "created": self.created, **self.made_by()}

    def made_by(self) -> dict[str, Any]:
        """The model and its program."""
        return {"model": self.model, "system_fingerprint": self.fingerprint}


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """Of `/v1/chat/completions`; with `usage` a stream tells its token counts before its end."""

    stamp: Stamp
    usage: bool = False

    def whole(self, end: End) -> bytes:
        """A `chat.completion`."""
        message = {"role": "assistant", "content": end.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end.finished.reason}
        return orjson.dumps({**self.stamp.head("chat.completion"), "choices": [choice], "usage": _usage(end)})

    def piece(self, piece: Piece) -> bytes:
        """A `chat.completion.chunk`."""
        return self._chunk([_delta(piece.text, None)], None)

    def ending(self, end: End) -> bytes:
        """The chunk with the reason, that of the usage, and `[DONE]`."""
        last = self._chunk([_delta(end.last or "", end.finished.reason)], None)
        return last + (self._chunk([], _usage(end)) if self.usage else b"") + _DONE

    def broken(self, fault: Fault) -> bytes:
        """TGI tells every failure inside a chat stream as 422."""
        return _broken(fault)

    def _chunk(self, choices: list[Any], usage: dict[str, int] | None) -> bytes:
        return event({**self.stamp.head("chat.completion.chunk"), "choices": choices, "usage": usage})


@dataclass(frozen=True, slots=True)
class CompletionDialect:
    """Of `/v1/completions`."""

    stamp: Stamp

    def whole(self, end: End) -> bytes:
        """A `text_completion`."""
        return orjson.dumps(self._completion(end, end.text))

    def piece(self, piece: Piece) -> bytes:
        """A chunk; its fields come in another order than the last one's, as TGI's do."""
        stamp = self.stamp
        opening = {"object": "text_completion", "id": stamp.id, "created": stamp.created}
        return event({**opening, "choices": [_choice(piece.text, "")], **stamp.made_by()})

    def ending(self, end: End) -> bytes:
        """The chunk with reason and usage, and `[DONE]`."""
        return event(self._completion(end, end.last or "")) + _DONE

    def broken(self, fault: Fault) -> bytes:
        """As in a chat."""
        return _broken(fault)

    def _completion(self, end: End, text: str) -> dict[str, Any]:
        choices = [_choice(text, end.finished.reason)]
        return {**self.stamp.head("text_completion"), "choices": choices, "usage": _usage(end)}


def _delta(text: str, reason: str | None) -> dict[str, Any]:
    delta = {"role": "assistant", "content": text}
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _choice(text: str, reason: str) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def _usage(end: End) -> dict[str, int]:
    usage = end.finished.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _broken(fault: Fault) -> bytes:
    return event({"error": {"message": fault.error, "http_status_code": 422}}) + _DONE
