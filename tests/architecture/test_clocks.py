"""Deadlines are told by a clock that nobody can set: the wall clock is read in one place, for timestamps."""

import re
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "services"
_WALL = re.compile(r"\btime\.time(_ns)?\b|\bdatetime\.(now|utcnow|today)\(|\bdate\.today\(")


def test_only_the_system_clock_reads_the_wall_clock() -> None:
    readers = {
        str(file.relative_to(SERVICES)) for file in SERVICES.rglob("*.py") if _WALL.search(file.read_text("utf-8"))
    }
    assert readers == {"tandem/app/clock.py"}
