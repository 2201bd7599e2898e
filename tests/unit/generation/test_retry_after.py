import pytest

from tandem.generation.retry_after import LONGEST_S, retry_after_s

NOW_S = 1_795_230_427.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),
        ("1.2.3", None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("0.5", 0.5),
        ("86400", LONGEST_S),
        ("9" * 400, LONGEST_S),
        ("Sat, 21 Nov 2026 03:08:07 GMT", 60),
        ("Sat, 21 Nov 2026 03:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 03:07:07 GMT", LONGEST_S),
        ("Sat, 99 Nov 2026 03:07:07 GMT", None),
        ("Sat, 21 Nov 99999999999 03:07:07 GMT", None),
    ],
)
def test_seconds_to_wait(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW_S) == seconds
