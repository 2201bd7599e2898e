"""The documentation tells the stages that may be left out as the code has them."""

import re
from pathlib import Path

from tandem.retrieval.plan import ORDER, WORDS

PAGE = (Path(__file__).parents[3] / "docs/deadlines.md").read_text(encoding="utf-8")


def test_the_order_and_its_words() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [(str(n), stage.name, stage.skipped, stage.failed) for n, stage in enumerate(ORDER, 1)]


def test_every_word_is_told() -> None:
    assert [word for word in sorted(WORDS) if f"`{word}`" not in PAGE] == []
