"""TGI's checks of one request, in its order and its words, and refusals of what our engines cannot do."""

import math
from collections.abc import Iterator

from tandem.domain.errors import InvalidRequest
from tandem.http.predictor.requests import Parameters
from tandem.ports.engine import EngineLimits


def check(asked: Parameters, limits: EngineLimits, *, streaming: bool) -> None:
    """Raises `InvalidRequest` for the first parameter that is wrong, or right but not to be had here."""
    if fault := next(_faults(asked, limits, streaming=streaming), None):
        raise InvalidRequest(fault)


def max_input_tokens(limits: EngineLimits) -> int:
    """The longest prompt: one token is left to answer with."""
    return limits.max_total_tokens - 1


def check_truncate(asked: Parameters, limits: EngineLimits) -> None:
    """Raises `InvalidRequest`."""
    most = max_input_tokens(limits)
    if asked.truncate is not None and not 0 < asked.truncate <= most:
        raise InvalidRequest(f"`truncate` must be strictly positive and less than {most}. Given: {asked.truncate}")


def room(asked: int | None, input_tokens: int, limits: EngineLimits) -> int:
    """How many tokens the answer may have: what was asked for, else all that is left. Raises `InvalidRequest`."""
    total, most = limits.max_total_tokens, max_input_tokens(limits)
    wanted = max(0, total - input_tokens) if asked is None else asked
    if input_tokens + wanted > total:
        raise InvalidRequest(
            f"`inputs` tokens + `max_new_tokens` must be <= {total}. "
            f"Given: {input_tokens} `inputs` tokens and {wanted} `max_new_tokens`"
        )
    if input_tokens > most:
        raise InvalidRequest(f"`inputs` must have less than {most} tokens. Given: {input_tokens}")
    return wanted


def _faults(asked: Parameters, limits: EngineLimits, *, streaming: bool) -> Iterator[str]:
    yield from _sequences(asked, streaming=streaming)
    yield from _sampling(asked)
    if asked.max_new_tokens == 0:
        yield "`max_new_tokens` must be strictly positive"
    stops = asked.stop or []
    if len(stops) > limits.max_stop_sequences:
        yield f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {len(stops)}"
    if asked.top_n_tokens:
        yield "`top_n_tokens` != 0 is not allowed for this endpoint"
    if "" in stops:
        yield "`stop` cannot hold an empty sequence"
    yield from _beyond_us(asked)


def _sequences(asked: Parameters, *, streaming: bool) -> Iterator[str]:
    best_of = 1 if asked.best_of is None else asked.best_of
    if best_of != 1:
        if streaming:
            yield "`best_of` != 1 is not supported when streaming tokens"
        yield "`best_of` != 1 is not allowed for this endpoint"
    if asked.decoder_input_details and streaming:
        yield "`decoder_input_details` == true is not supported when streaming tokens"


def _sampling(asked: Parameters) -> Iterator[str]:
    if asked.temperature is not None and not (asked.temperature > 0 and math.isfinite(asked.temperature)):
        yield "`temperature` must be strictly positive"
    if asked.repetition_penalty is not None and asked.repetition_penalty <= 0:
        yield "`repetition_penalty` must be strictly positive"
    if asked.frequency_penalty is not None and not -2 <= asked.frequency_penalty <= 2:
        yield "`frequency_penalty` must be >= -2.0 and <= 2.0"
    if asked.top_p is not None and not 0 < asked.top_p < 1:
        yield "`top_p` must be > 0.0 and < 1.0"
    if asked.typical_p is not None and not 0 < asked.typical_p < 1:
        yield "`typical_p` must be > 0.0 and < 1.0"
    if asked.top_k is not None and asked.top_k <= 0:
        yield "`top_k` must be strictly positive"


def _beyond_us(asked: Parameters) -> Iterator[str]:
    if asked.grammar is not None:
        yield "grammar is not supported"
    wanted = {
        "repetition_penalty": asked.repetition_penalty not in {None, 1},
        "frequency_penalty": asked.frequency_penalty not in {None, 0},
        "typical_p": asked.typical_p is not None,
        "top_k": asked.top_k is not None,
        "watermark": asked.watermark,
        "decoder_input_details": asked.decoder_input_details,
        "adapter_id": asked.adapter_id,
    }
    yield from (f"`{name}` is not supported by this model" for name, beyond in wanted.items() if beyond)
