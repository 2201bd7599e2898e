"""Texts in which what must be taken out is marked: `⟦kind:text⟧`, one text a line."""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "eval" / "redaction"
_MARK = re.compile(r"⟦([a-z]+):([^⟧]+)⟧")


class Marked(NamedTuple):
    text: str
    things: frozenset[tuple[str, str]]


def marked(name: str) -> list[Marked]:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [Marked(_MARK.sub(r"\2", line), frozenset(_MARK.findall(line))) for line in lines]
