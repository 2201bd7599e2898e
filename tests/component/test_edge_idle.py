"""Streams that are open and say nothing: 500 of them here, 5,000 in `scripts/bench idle`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.component


def test_idle_streams_take_little_and_leave_nothing() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests/bench/idle.py", "--streams", "500", "--watch", "0.5"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    figures = {figure["name"]: figure["value"] for figure in map(json.loads, done.stdout.splitlines())}
    assert figures, done.stderr
    assert figures["streams_left_behind"] == 0
    assert figures["files_left_open"] <= 16
    # The goal is for 5,000: with a tenth of that, what memory is taken in steps weighs more.
    assert figures["kb_per_stream"] <= 80
