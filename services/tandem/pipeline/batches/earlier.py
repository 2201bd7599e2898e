"""What an earlier run left: which lines have their answer, and which have failed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tandem.domain.batch_line import BatchLine

# Codes of whole requests that were never begun: their lines are sound.
UNBEGUN = frozenset({"batch_expired", "batch_cancelled"})
_MAY_PASS = frozenset({408, 429, 500, 502, 503, 504, 507})


@dataclass(frozen=True, slots=True)
class Result:
    """A line of an output or error file. `number` is the input's line, from 0, where that never became a request."""

    custom_id: str | None
    status: int | None
    code: str = ""
    number: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def answered(self) -> bool:
        """It is an answer."""
        return self.status == 200

    @property
    def may_pass(self) -> bool:
        """Another time it may be answered."""
        return self.status in _MAY_PASS or self.code in UNBEGUN

    @property
    def unread(self) -> bool:
        """The line itself is faulty."""
        return self.status is None and self.code not in UNBEGUN


def read_result(raw: bytes) -> Result | None:
    """None for what is no line of such a file."""
    try:
        told = orjson.loads(raw)
        response, error, custom_id = told["response"], told["error"], told["custom_id"]
        if response is None:
            return _unread(custom_id, error)
        status, body = response["status_code"], response["body"]
        if not (isinstance(custom_id, str) and isinstance(status, int)):
            return None
        usage, failure = body.get("usage") or {}, body.get("error") or {}
        return Result(
            custom_id,
            status,
            str(failure.get("code") or ""),
            prompt_tokens=int(usage.get("prompt_tokens", 0)),
            completion_tokens=int(usage.get("completion_tokens", 0)),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        return None


def _unread(custom_id: Any, error: Mapping[str, Any]) -> Result | None:
    line = error.get("line")
    if not (custom_id is None or isinstance(custom_id, str)):
        return None
    return Result(custom_id, None, str(error["code"]), None if line is None else int(line) - 1)


@dataclass(slots=True)
class Earlier:
    """By custom_id, and by number where a line was faulty; then with which code."""

    answered: dict[str, Result] = field(default_factory=dict)
    failed: dict[str, Result] = field(default_factory=dict)
    faulty: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Earlier":
        """An answer counts, whatever else there is."""
        found = cls()
        for result in results:
            if result.unread:
                if result.number is not None:
                    found.faulty[result.number] = result.code
            elif result.custom_id is not None:
                (found.answered if result.answered else found.failed)[result.custom_id] = result
        for custom_id in found.answered:
            found.failed.pop(custom_id, None)
        return found

    def strange(self, known: Collection[str]) -> str | None:
        """A custom_id that is none of those known, if there is one."""
        return next((each for each in (*self.answered, *self.failed) if each not in known), None)

    def drop(self, faults: Mapping[int, str], *, retry: bool) -> bool:
        """Forgets what does not hold any more: faults of lines that are sound by now, and with `retry` failures that may
        pass. True when there was any. `faults` are those of the input as it is.
        """
        before = len(self.failed) + len(self.faulty)
        self.faulty = {number: code for number, code in self.faulty.items() if faults.get(number) == code}
        if retry:
            self.failed = {name: result for name, result in self.failed.items() if not result.may_pass}
        return len(self.failed) + len(self.faulty) < before

    def keeps(self, result: Result) -> bool:
        """True for a line of the error file that still holds."""
        if result.unread:
            return result.number in self.faulty
        return result.custom_id in self.failed

    def left(self, lines: Iterable[BatchLine]) -> Iterator[BatchLine]:
        """Those that nothing is known of."""
        return (line for line in lines if not self.knows(line))

    def knows(self, line: BatchLine) -> bool:
        """What came of this line is known."""
        if line.fault is not None:
            return line.number in self.faulty
        return line.custom_id in self.answered or line.custom_id in self.failed
