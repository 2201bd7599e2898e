import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def test_imports_point_down_and_the_core_does_no_io() -> None:
    # In a process of its own: it sets logging up anew, which would silence the loggers of later tests.
    ran = subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
