"""A line for each request that is over: who, what, how it ended, and the ids to find it by. Nothing of what was said."""

import logging
from collections.abc import Callable

from starlette.types import Scope

from tandem.http.access_rule import AccessRule
from tandem.http.errors import CLIENT_GONE
from tandem.http.exchange import Exchange
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.access")
_HALF = 1 << 64


class AccessLog:
    """Probes and scrapes, the `quiet` routes, are told at debug level only."""

    def __init__(self, rule: AccessRule, clock: Clock, left_out: Callable[[str], None], quiet: frozenset[str]) -> None:
        self._rule = rule
        self._clock = clock
        self._left_out = left_out
        self._quiet = quiet
        self._bound = round(rule.share * _HALF)
        self._second = -1
        self._written = 0

    def over(self, scope: Scope, exchange: Exchange, status: int, duration_s: float) -> None:
        """Write the line, unless the rule leaves it out."""
        level = logging.DEBUG if exchange.route in self._quiet else logging.INFO
        if not _log.isEnabledFor(level) or not self._wanted(exchange, status):
            return
        told: dict[str, object] = {
            "request_id": exchange.request_id,
            "trace_id": exchange.span.trace_id,
            "caller": exchange.caller,
            "tenant": exchange.tenant,
            "route": exchange.route,
            "status": status,
            "outcome": exchange.progress.outcome or _outcome(status),
            "duration_ms": round(duration_s * 1000, 1),
        }
        if exchange.receipt:
            told["receipt"] = exchange.receipt
        _log.log(level, "%s %s %d", scope["method"], scope["path"], status, extra=told)

    def _wanted(self, exchange: Exchange, status: int) -> bool:
        if status >= 500:
            return True
        if status < 400 and self._rule.share < 1 and int(exchange.span.trace_id[16:], 16) >= self._bound:
            self._left_out("share")
            return False
        if self._rule.per_s is None:
            return True
        second = int(self._clock.monotonic_s())
        if second != self._second:
            self._second, self._written = second, 0
        self._written += 1
        if self._written > self._rule.per_s:
            self._left_out("rate")
            return False
        return True


def _outcome(status: int) -> str:
    if status == CLIENT_GONE:
        return "client_closed"
    return "ok" if status < 400 else "refused" if status < 500 else "failed"
