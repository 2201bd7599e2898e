"""Runs in a pod: writes pages; from when a file `begin` appears beside their folder until `stop` does, they are written anew
by turns. Prints at its end how many times each was written, as one JSON object.
"""

import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path

_BREATH_S = 0.5


def write(page: Path, times: int) -> None:
    """Whole or not at all: nobody reads half a page."""
    draft = page.parent.parent / "draft"
    draft.write_text(f"# {page.stem}\n\nThis is {page.stem}, written {times} times.\n", encoding="utf-8")
    draft.rename(page)


def main(root: Path, pages: int, rate: int) -> dict[str, int]:
    """`rate` of them a second."""
    folder = root / "pages"
    folder.mkdir()
    written = {folder / f"page-{number:03}.md": 1 for number in range(pages)}
    for page in written:
        write(page, 1)
    while not (root / "begin").exists():
        time.sleep(_BREATH_S)
    turns = cycle(written)
    while not (root / "stop").exists():
        for page in islice(turns, round(rate * _BREATH_S)):
            written[page] += 1
            write(page, written[page])
        time.sleep(_BREATH_S)
    return {page.name: times for page, times in written.items()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
