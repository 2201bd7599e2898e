"""Conditions in words, for `explain`."""

from datetime import UTC, datetime

from tandem.domain.filters import Condition


def shown(condition: Condition) -> str:
    """`author = Jane Doe`, `created_at 2024-01-01 to 2024-12-31`."""
    if condition.any_of:
        return f"{condition.field} = {' | '.join(condition.any_of)}"
    number = condition.field == "page"
    start, end = (_bound(bound, number) for bound in (condition.at_least, condition.at_most))
    if start and end:
        return f"{condition.field} {start}" if start == end else f"{condition.field} {start} to {end}"
    return f"{condition.field} from {start}" if start else f"{condition.field} up to {end}"


def _bound(value: float | None, number: bool) -> str:
    if value is None:
        return ""
    return f"{value:g}" if number else f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}"
