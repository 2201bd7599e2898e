"""How long a request may take."""

import pytest

from tandem.admission.deadline import deadline_s
from tandem.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    ("asked", "until"), [(None, 130.0), ("1", 100.001), ("1500", 101.5), ("0500", 100.5), ("999999999", 1_000_099.999)]
)
def test_what_was_asked_for_counts_else_the_budget(asked: str | None, until: float) -> None:
    assert deadline_s(asked, now_s=100, budget_s=30) == pytest.approx(until)


@pytest.mark.parametrize("asked", ["", "0", "000", "-5", "+5", "1.5", "1e3", " 5", "1_000", "٣", "inf", "1000000000"])
def test_anything_but_milliseconds_is_refused(asked: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        deadline_s(asked, now_s=0, budget_s=30)
    assert refused.value.param == "x-request-timeout-ms"
