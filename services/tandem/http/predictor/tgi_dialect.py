"""TGI's own words for an answer."""

from dataclasses import dataclass
from typing import Any

import orjson

from tandem.http.predictor.dialects import event
from tandem.http.predictor.faults import Fault
from tandem.http.predictor.generation import End, Piece


@dataclass(frozen=True, slots=True)
class TgiDialect:
    """`prompt` is put before the text (`return_full_text`); `listed` answers as `/` does, with a list of one."""

    prompt: str = ""
    details: bool = False
    listed: bool = False

    def whole(self, end: End) -> bytes:
        """`{"generated_text", "details"?}`."""
        answer: dict[str, Any] = {"generated_text": self.prompt + end.text}
        if self.details:
            answer["details"] = {**_ended(end), "prefill": [], "tokens": []}
        return orjson.dumps([answer] if self.listed else answer)

    def piece(self, piece: Piece) -> bytes:
        """A token; the last one has the whole text."""
        return event({"index": piece.index, "token": _token(piece.text), "generated_text": None, "details": None})

    def ending(self, end: End) -> bytes:
        """The last token with the whole text; where all are out already, an empty special one, as TGI's end token is."""
        token = _token("", special=True) if end.last is None else _token(end.last)
        details = {**_ended(end), "input_length": end.admitted.input_tokens} if self.details else None
        return event(
            {
                "index": end.pieces + (end.last is None),
                "token": token,
                "generated_text": self.prompt + end.text,
                "details": details,
            }
        )

    def broken(self, fault: Fault) -> bytes:
        """`{"error", "error_type"}` as an event."""
        return b"data: " + fault.body() + b"\n\n"


def finish_reason(end: End) -> str:
    """`length`, `stop_sequence` or `eos_token`."""
    if end.finished.reason == "length":
        return "length"
    stopped = end.finished.stop_sequence is not None or end.text.endswith(end.admitted.sampling.stop)
    return "stop_sequence" if stopped else "eos_token"


def _token(text: str, *, special: bool = False) -> dict[str, Any]:
    # Clients demand numbers here; the engine's pieces have neither one id nor a probability, and 0 stands for both.
    return {"id": 0, "text": text, "logprob": 0.0, "special": special}


def _ended(end: End) -> dict[str, Any]:
    return {
        "finish_reason": finish_reason(end),
        "generated_tokens": end.finished.usage.completion_tokens,
        "seed": end.admitted.sampling.seed,
    }
