"""Until when a request may run: what the caller asked for, within what the operator allows."""

from tandem.domain.errors import InvalidRequest

TIMEOUT_HEADER = "x-request-timeout-ms"
_MAX_DIGITS = 9


def deadline_s(requested_ms: str | None, *, now_s: float, budget_s: float) -> float:
    """The instant (monotonic seconds) at which the request's time is up; `budget_s` when it asks for nothing.

    A caller may ask for less or for more than the configured budget: the budget is a default. Raises `InvalidRequest`
    for anything but a whole number of milliseconds from 1 to 999999999.
    """
    if requested_ms is None:
        return now_s + budget_s
    # str.isdecimal takes other scripts' digits too, and int() would read them.
    plain = requested_ms.isascii() and requested_ms.isdecimal() and len(requested_ms) <= _MAX_DIGITS
    if not plain or int(requested_ms) == 0:
        raise InvalidRequest(
            f"{TIMEOUT_HEADER} must be a whole number of milliseconds from 1 to 999999999.", param=TIMEOUT_HEADER
        )
    return now_s + int(requested_ms) / 1000
