"""Programs that tests run: what they said when they failed is the failure's message."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class CommandFailed(AssertionError):
    """A program ended with another code than 0; the message is its command line and all that it said."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command)} → {code}\n{said}")
        self.code = code
        self.said = said


def run(command: Sequence[str], *, env: Mapping[str, str], stdin: str = "", timeout_s: float = 120.0) -> str:
    """Its standard output. Raises `CommandFailed`, also when it takes longer than `timeout_s`."""
    try:
        done = subprocess.run(
            command, env=env, input=stdin, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(command, -1, f"no end within {timeout_s:g} s") from error
    if done.returncode:
        raise CommandFailed(command, done.returncode, f"{done.stdout}{done.stderr}")
    return done.stdout
