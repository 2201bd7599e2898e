"""The cross-encoder itself: question and passage together into the model, one number out. Every call blocks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from tokenizers import Tokenizer

from tandem.adapters.rerankers.files import CrossEncoderFiles
from tandem.domain.errors import ConfigurationError, UpstreamFailed

_KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
# Far past any model's tokens: an endless text would be read to its end only to be cut.
_MAX_CHARS_PER_TOKEN = 100


class Pairs:
    """Raises `ConfigurationError` for files that are no cross-encoder."""

    def __init__(self, files: CrossEncoderFiles, *, threads: int, max_tokens: int) -> None:
        self._max_chars = max_tokens * _MAX_CHARS_PER_TOKEN
        self._question_tokens = max_tokens // 2
        try:
            self._questions = Tokenizer.from_file(str(files.tokenizer))
            self._questions.no_truncation()
            self._questions.no_padding()
            self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
            # The passage is cut rather than the question, without which no score means anything.
            self._tokenizer.enable_truncation(max_tokens, strategy="only_second")
            self._tokenizer.no_padding()
            self._session: Any = ort.InferenceSession(
                files.model, _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise what has no base of its own
            raise ConfigurationError(
                f"The reranker {files.name} cannot be loaded: {str(error)[:200]}", hint="Is it a cross-encoder in ONNX?"
            ) from error
        self._inputs = {each.name for each in self._session.get_inputs()}
        if "input_ids" not in self._inputs or self._inputs - _KNOWN_INPUTS:
            raise ConfigurationError(
                f"The reranker {files.name} is no cross-encoder: it takes {', '.join(sorted(self._inputs))}.",
                hint="Export it for sequence classification.",
            )

    def tokens(self, question: str, texts: Sequence[str]) -> list[Any]:
        """The pairs, tokenized; a question that would leave the passages less than half of the room is cut as well."""
        whole = _whole(question[: self._max_chars])
        try:
            spans = self._questions.encode(whole, add_special_tokens=False).offsets
            if len(spans) > self._question_tokens:
                whole = whole[: spans[self._question_tokens - 1][1]]
            return [self._tokenizer.encode(whole, _whole(text[: self._max_chars])) for text in texts]
        except Exception as error:  # the tokenizer's errors have no base of their own
            raise UpstreamFailed(f"The reranker cannot read this: {str(error)[:200]}") from error

    def scores(self, pairs: Sequence[Any]) -> list[float]:
        """One score a pair, as the model gives it: the higher, the better. Raises `UpstreamFailed`."""
        shape = (len(pairs), max(len(pair.ids) for pair in pairs))
        rows = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        feed = {}
        for name in self._inputs:
            filled = np.zeros(shape, np.int64)
            for row, pair in enumerate(pairs):
                values = getattr(pair, rows[name])
                filled[row, : len(values)] = values
            feed[name] = filled
        try:
            logits = np.asarray(self._session.run(None, feed)[0], np.float32)
        except Exception as error:  # the runtime's errors, such as no memory left, have no base of their own
            raise UpstreamFailed(f"The reranker failed: {str(error)[:200]}") from error
        return _numbers(logits, len(pairs))


def _numbers(logits: npt.NDArray[np.float32], count: int) -> list[float]:
    """One output is the score; of two the latter says "relevant"."""
    rows = logits.reshape(count, -1) if logits.size else logits.reshape(count, 0)
    if rows.shape[1] not in (1, 2) or not np.isfinite(rows).all():
        raise UpstreamFailed(
            "The reranker's answer is no score of a pair.",
            hint="reranker.model must be a cross-encoder with one label.",
        )
    found: list[float] = (rows[:, -1] - (rows[:, 0] if rows.shape[1] == 2 else 0.0)).tolist()
    return found


def _whole(text: str) -> str:
    """Half a surrogate pair is no character, and the tokenizer would refuse the whole text for it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # As for the embedding model: no spinning threads, no memory kept for the largest batch ever seen.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options
