"""Checks of many requests: streams that are left, streams side by side, more of them than there is room for, deadlines."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tandem.domain.errors import DeadlineExceeded, Overloaded
from tandem.domain.generation import GenerationEvent, Token
from tandem.domain.question import Sampling
from tandem.pipeline.conformance.answers import ASKED
from tandem.pipeline.conformance.subject import (
    Skipped,
    Subject,
    Violated,
    answered,
    bound_of,
    load_of,
    opened,
)

T = TypeVar("T")
# An answer that lasts, from a model that writes.
_LASTING = Sampling(max_tokens=128, temperature=0.0)
_BRIEF = Sampling(max_tokens=16, temperature=0.0)
_WORDS = ("albatross", "barnacle", "capstan", "dinghy", "estuary", "foghorn")
_AT_ONCE = 4
_TRIES = 20
# How much later than the deadline an answer may end on a busy machine.
_LATE_S = 1.0
_LONGEST_RETRY_AFTER_S = 3600.0


async def cancellation(subject: Subject) -> str:
    """Leaving a stream frees its slot: after more of them than there is room for, a new request is served promptly."""
    base = await load_of(subject)
    usual_s = (await answered(subject, ASKED, _BRIEF)).first_s
    room = await bound_of(subject)
    wanted = min(room + 8, 160) if room is not None else 48
    # What a new request waited before, and as long again as streams may take to be gone.
    limit_s = 3 * usual_s + subject.settle_s
    left = 0
    while left < wanted:
        at_once = min(_AT_ONCE, room or _AT_ONCE)
        await _together(_left_early(subject, limit_s) for _ in range(at_once))
        left += at_once
    idle = await _idle(subject, base)
    first_s = await _prompt(subject, limit_s)
    return f"{left} streams left early, the next one began after {first_s * 1000:.0f} ms{idle}"


async def concurrency(subject: Subject) -> str:
    """Streams side by side do not mix: each is told its own word."""
    room = await bound_of(subject)
    words = _WORDS[: max(2, min(len(_WORDS), room or len(_WORDS)))]
    told = await _together(_told(subject, word) for word in words)
    heard = {word: said for word, said in zip(words, told, strict=True) if said is not None}
    for word, said in heard.items():
        if strange := next((other for other in words if other != word and other in said), None):
            raise Violated(f"the stream that was told {word!r} says {strange!r}: {said[:60]!r}")
    if len(heard) < 2:
        raise Skipped(f"of {len(words)} streams at once all but {len(heard)} were refused")
    if not (own := sum(word in said for word, said in heard.items())):
        raise Skipped(f"no answer holds its word: {next(iter(heard.values()))[:60]!r}")
    return f"{len(heard)} streams at once, {own} of them with their own word, none with another's"


async def overload(subject: Subject) -> str:
    """One request too many is refused as back-pressure, with a time to wait."""
    room = await bound_of(subject)
    burst = subject.streams if room is None else room + max(4, room // 4)
    if burst > subject.streams:
        raise Skipped(f"it takes {room} requests at once, and at most {subject.streams} streams may be opened")
    results = await asyncio.gather(*(answered(subject, ASKED, _BRIEF) for _ in range(burst)), return_exceptions=True)
    refused = [one for one in results if isinstance(one, Overloaded)]
    others = [one for one in results if isinstance(one, Exception) and not isinstance(one, Overloaded)]
    if others:
        raise Violated(f"{len(others)} of {burst} requests at once failed otherwise: {others[0]}")
    if not refused:
        raise Skipped(f"{burst} requests at once were all taken")
    waits = [one.retry_after_s for one in refused]
    if not 0 <= min(waits) <= max(waits) <= _LONGEST_RETRY_AFTER_S:
        raise Violated(f"it asks to wait {max(waits)} s")
    await answered(subject, ASKED, _BRIEF)
    return f"{len(refused)} of {burst} requests at once were refused, to be tried again after {max(waits):g} s"


async def deadline(subject: Subject) -> str:
    """A request ends at its deadline, and one without time left is not begun."""
    try:
        await answered(subject, ASKED, _BRIEF, subject.clock.monotonic_s() - 1)
    except DeadlineExceeded:
        pass
    else:
        raise Violated("a request whose deadline had passed was answered")
    base = await load_of(subject)
    whole_s = (await answered(subject, ASKED, _LASTING)).total_s
    limit_s = whole_s / 4
    began_s = subject.clock.monotonic_s()
    try:
        await answered(subject, ASKED, _LASTING, began_s + limit_s)
    except DeadlineExceeded:
        late_s = subject.clock.monotonic_s() - began_s - limit_s
    else:
        took_s = subject.clock.monotonic_s() - began_s
        if took_s > limit_s + _LATE_S:
            raise Violated(f"an answer took {took_s:.2f} s, with a deadline of {limit_s:.2f} s")
        return f"none without time left; a whole answer takes {whole_s * 1000:.0f} ms, too little to be cut"
    if late_s > _LATE_S:
        raise Violated(f"it ended {late_s:.2f} s after its deadline")
    idle = await _idle(subject, base)
    return f"ended at its deadline of {limit_s * 1000:.0f} ms, where the whole takes {whole_s * 1000:.0f} ms{idle}"


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once; when one fails, the others end too, and are gone before the next check begins."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _left_early(subject: Subject, limit_s: float) -> None:
    """Until the first token, and away. A server may need a moment to see that others left."""
    last: Overloaded | None = None
    for _ in range(_TRIES):
        try:
            async with _soon(limit_s), opened(subject, ASKED, _LASTING) as events:
                await _begun(events)
            return
        except Overloaded as error:
            last = error
            await asyncio.sleep(subject.settle_s / _TRIES)
    raise Violated("streams that were left still hold their slots: a new one is refused") from last


async def _prompt(subject: Subject, limit_s: float) -> float:
    """Seconds until the first token of a request when nobody else is there."""
    try:
        async with _soon(limit_s):
            return (await answered(subject, ASKED, _BRIEF)).first_s
    except Overloaded as error:
        raise Violated("streams that were left still hold their slots: a new one is refused") from error


@asynccontextmanager
async def _soon(limit_s: float) -> AsyncIterator[None]:
    """Raises `Violated` when it takes longer."""
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Violated(f"after streams were left, a new request had no answer in {limit_s:.1f} s") from error


async def _told(subject: Subject, word: str) -> str | None:
    """What the stream with this word says; None when there is no room for it."""
    try:
        return (await answered(subject, _password(word), _BRIEF)).text.lower()
    except Overloaded:
        return None


async def _begun(events: AsyncIterator[GenerationEvent]) -> None:
    if not isinstance(await anext(events, None), Token):
        raise Violated("an answer has no token")


async def _idle(subject: Subject, base: int | None) -> str:
    """What the subject shows of itself once it should be as idle as it was. Raises `Violated` when it stays busy."""
    if base is None:
        return ""
    ends_s = subject.clock.monotonic_s() + subject.settle_s
    while (running := await load_of(subject) or 0) > base:
        if subject.clock.monotonic_s() > ends_s:
            raise Violated(f"{running} requests still run {subject.settle_s:g} s after all were left")
        await asyncio.sleep(0.05)
    return ", idle by its own metrics"


def _password(word: str) -> str:
    return f"The password of the harbour is {word}.\n\nWhat is the password of the harbour?"
