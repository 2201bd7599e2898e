"""TGI's checks, in its order."""

from typing import Any

import pytest

from tandem.domain.errors import InvalidRequest
from tandem.http.predictor.limits import check, check_truncate, room
from tandem.http.predictor.requests import Parameters
from tandem.ports.engine import EngineLimits

LIMITS = EngineLimits(max_total_tokens=100, max_concurrent_requests=4, parallel=1)

# Each is wrong by itself; told is the first of those present.
IN_ORDER: list[tuple[dict[str, Any], str]] = [
    ({"best_of": 2}, "`best_of` != 1 is not allowed for this endpoint"),
    ({"temperature": 0.0}, "`temperature` must be strictly positive"),
    ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
    ({"frequency_penalty": 2.5}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
    ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
    ({"typical_p": 0.0}, "`typical_p` must be > 0.0 and < 1.0"),
    ({"top_k": -1}, "`top_k` must be strictly positive"),
    ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
    ({"stop": ["a"] * 5}, "`stop` supports up to 4 stop sequences. Given: 5"),
    ({"top_n_tokens": 1}, "`top_n_tokens` != 0 is not allowed for this endpoint"),
    ({"grammar": {"type": "json", "value": {}}}, "grammar is not supported"),
    ({"watermark": True}, "`watermark` is not supported by this model"),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_the_first_fault_is_told(first: int) -> None:
    wrong = {name: value for fault, _ in IN_ORDER[first:] for name, value in fault.items()}
    with pytest.raises(InvalidRequest) as told:
        check(Parameters(**wrong), LIMITS, streaming=False)
    assert told.value.message == IN_ORDER[first][1]


def test_a_stream_has_words_of_its_own() -> None:
    for wrong, told in (
        ({"best_of": 0}, "`best_of` != 1 is not supported when streaming tokens"),
        ({"decoder_input_details": True}, "`decoder_input_details` == true is not supported when streaming tokens"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            check(Parameters.model_validate(wrong), LIMITS, streaming=True)
        assert refused.value.message == told


def test_nothing_asked_is_fine() -> None:
    check(Parameters(), LIMITS, streaming=True)
    check_truncate(Parameters(), LIMITS)


@pytest.mark.parametrize("truncate", [0, 100])
def test_truncation_has_bounds(truncate: int) -> None:
    with pytest.raises(
        InvalidRequest, match=f"`truncate` must be strictly positive and less than 99. Given: {truncate}"
    ):
        check_truncate(Parameters(truncate=truncate), LIMITS)


def test_the_answer_gets_what_is_left() -> None:
    assert room(None, 30, LIMITS) == 70
    assert room(5, 30, LIMITS) == 5
    assert room(70, 30, LIMITS) == 70


@pytest.mark.parametrize(
    ("asked", "tokens", "told"),
    [
        (
            71,
            30,
            "`inputs` tokens + `max_new_tokens` must be <= 100. Given: 30 `inputs` tokens and 71 `max_new_tokens`",
        ),
        (
            None,
            130,
            "`inputs` tokens + `max_new_tokens` must be <= 100. Given: 130 `inputs` tokens and 0 `max_new_tokens`",
        ),
        (None, 100, "`inputs` must have less than 99 tokens. Given: 100"),
    ],
)
def test_totals_come_before_inputs(asked: int | None, tokens: int, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        room(asked, tokens, LIMITS)
    assert refused.value.message == told
