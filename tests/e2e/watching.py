"""How many replicas a workload has over time: what a scaling test draws its figures from."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from e2e.space import Space


@dataclass(frozen=True, slots=True)
class Step:
    """From `at_s` on, counted from the start of the watch: replicas wanted, and replicas ready."""

    at_s: float
    wanted: int
    ready: int


@dataclass(slots=True)
class Timeline:
    """Filled while the watch lasts."""

    began_s: float
    steps: list[Step] = field(default_factory=list)

    def now_s(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self.began_s

    @property
    def last(self) -> Step:
        """The newest one; before the first report: nothing wanted, nothing ready."""
        return self.steps[-1] if self.steps else Step(0.0, -1, -1)

    def when_ready(self, replicas: int, *, after_s: float = 0.0) -> float | None:
        """The first moment after `after_s` with exactly so many ready, wanted ones."""
        found = (s.at_s for s in self.steps if s.at_s >= after_s and s.wanted == s.ready == replicas)
        return next(found, None)

    def told(self) -> list[tuple[float, int, int]]:
        """For a figure."""
        return [(round(step.at_s, 1), step.wanted, step.ready) for step in self.steps]


@contextlib.contextmanager
def watched(space: Space, deployment: str) -> Iterator[Timeline]:
    """The replicas of `deployment` from now to the end of the block."""
    columns = 'jsonpath={.spec.replicas} {.status.readyReplicas}{"\\n"}'
    command = ["kubectl", "--namespace", space.name, "get", "deployment", deployment, "--watch", "-o", columns]
    timeline = Timeline(time.monotonic())
    with subprocess.Popen(command, env=space.cluster.env, stdout=subprocess.PIPE, text=True) as watch:
        reader = threading.Thread(target=_read, args=(watch, timeline), daemon=True)
        reader.start()
        try:
            yield timeline
        finally:
            watch.terminate()
            reader.join(5)


def _read(watch: "subprocess.Popen[str]", timeline: Timeline) -> None:
    assert watch.stdout is not None
    for line in watch.stdout:
        wanted, _, ready = line.strip().partition(" ")
        step = Step(timeline.now_s(), int(wanted or 0), int(ready or 0))
        if (step.wanted, step.ready) != (timeline.last.wanted, timeline.last.ready):
            timeline.steps.append(step)
