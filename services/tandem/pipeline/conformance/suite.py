"""The checks by name, and how they are run: one after the other, each within its time, none stopped by another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tandem.domain.errors import TandemError
from tandem.pipeline.conformance import answers, framing, refusals, traffic
from tandem.pipeline.conformance.subject import Skipped, Subject, Violated

Check = Callable[[Subject], Awaitable[str]]
CHECKS: Mapping[str, Check] = {
    "card": answers.card,
    "framing": framing.framing,
    "usage": answers.usage,
    "length": answers.length,
    "stop": answers.stop,
    "seed": answers.seed,
    "unicode": answers.unicode,
    "bad-request": refusals.bad_request,
    "too-long": refusals.too_long,
    "unknown-model": refusals.unknown_model,
    "key": refusals.key,
    "deadline": traffic.deadline,
    "concurrency": traffic.concurrency,
    "overload": traffic.overload,
    "cancellation": traffic.cancellation,
}
Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seen` is what was seen, what is wrong, or why there was nothing to see."""

    check: str
    status: Status
    seen: str
    seconds: float


async def conform(
    subject: Subject, checks: Iterable[str] = CHECKS, *, timeout_s: float = 60.0
) -> AsyncIterator[Outcome]:
    """The outcome of each check as it comes; a check has `timeout_s`. Raises `UpstreamUnavailable` when nobody is there."""
    try:
        await subject.generator.card()
    except TandemError as error:
        if error.retryable:
            raise
    for name in checks:
        began_s = subject.clock.monotonic_s()
        status, seen = await _outcome(CHECKS[name], subject, timeout_s)
        yield Outcome(name, status, seen, subject.clock.monotonic_s() - began_s)


async def _outcome(check: Check, subject: Subject, timeout_s: float) -> tuple[Status, str]:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return "passed", await check(subject)
    except Violated as violation:
        return "failed", str(violation)
    except Skipped as reason:
        return "skipped", str(reason)
    except TandemError as error:
        return "failed", f"{error.code}: {error.message}"
    except TimeoutError:
        if not limit.expired():
            raise
        return "failed", f"not done after {timeout_s:g} s"
