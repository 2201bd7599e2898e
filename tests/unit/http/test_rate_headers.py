"""OpenAI's names and formats."""

import pytest

from tandem.domain.quota import Level, Standing
from tandem.http.rate_headers import duration, rate_headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (-1, "0s"), (0.0001, "1ms"), (0.017, "17ms"), (0.9999, "1s"), (1, "1s"), (1.2, "1.2s"),
        (7.6605, "7.661s"), (59.9999, "1m0s"), (60, "1m0s"), (90.951, "1m30.951s"), (360, "6m0s"), (3661.5, "1h1m1.5s"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_unlimited_is_not_mentioned() -> None:
    assert list(rate_headers(None)) == list(rate_headers(Standing())) == []
    assert list(rate_headers(Standing(tokens=Level(1000, 10, 59.4)))) == [
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"10"),
        (b"x-ratelimit-reset-tokens", b"59.4s"),
    ]


def test_nothing_is_left_is_zero() -> None:
    assert dict(rate_headers(Standing(requests=Level(5, -1, 60))))[b"x-ratelimit-remaining-requests"] == b"0"
