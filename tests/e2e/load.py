"""Open-loop load from inside the cluster, and what became of every request."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from e2e.asking import QUESTION
from e2e.pods import INSIDE
from e2e.space import Space

# Told to the client as an error of a known code, or answered whole: nobody was left in the dark.
_SILENT = frozenset({"cut", "refused"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one request; `at_s` since the load began, `first_s` and `whole_s` since the request did. `receipt`: the answer's id."""

    at_s: float
    status: int
    ending: str
    first_s: float | None
    whole_s: float
    why: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of a whole load."""

    each: Sequence[Outcome]

    @property
    def endings(self) -> dict[str, int]:
        """How many ended in which way."""
        return dict(
            Counter(one.ending if one.status in {0, 200} else f"{one.status} {one.ending}" for one in self.each)
        )

    @property
    def silent(self) -> list[Outcome]:
        """Those that got neither an answer nor an error."""
        return [one for one in self.each if one.ending in _SILENT]

    @property
    def failed(self) -> list[Outcome]:
        """Those that got no whole answer."""
        return [one for one in self.each if one.ending != "done"]

    def first_s(self, share: float) -> float:
        """The quantile of the time to the first token, of those that got one."""
        known = sorted(one.first_s for one in self.each if one.first_s is not None)
        return known[max(0, math.ceil(share * len(known)) - 1)] if known else math.nan

    def running_at(self, at_s: float) -> int:
        """How many requests were being served then."""
        return sum(one.at_s <= at_s < one.at_s + one.whole_s for one in self.each)


@dataclass(frozen=True, slots=True)
class Load:
    """A load that runs in a pod of its own."""

    space: Space
    name: str
    seconds: float

    def outcomes(self, patience_s: float = 120.0) -> Outcomes:
        """Waits for the end of all requests."""
        said = self.space.output(self.name, within_s=self.seconds + patience_s)
        return Outcomes([Outcome(**json.loads(line)) for line in said.splitlines() if line])


def offer(
    space: Space,
    name: str,
    url: str,
    *,
    rate: float,
    seconds: float,
    key: str,
    max_tokens: int = 64,
    question: str = QUESTION,
) -> Load:
    """Start to ask `rate` times a second for `seconds`, whether or not earlier requests are answered."""
    flags = [
        "--rate",
        f"{rate:g}",
        "--seconds",
        f"{seconds:g}",
        "--max-tokens",
        str(max_tokens),
        "--question",
        question,
    ]
    space.start(name, INSIDE / "offer.py", [url, *flags], env={"KEY": key})
    space.kubectl("wait", "--for=jsonpath={.status.phase}=Running", f"pod/{name}", "--timeout=60s")
    return Load(space, name, seconds)
