"""The rendered examples are what the chart renders: a review sees what a change does to the objects."""

import difflib
import os
import sys
from pathlib import Path

import pytest

from charts.programs import output, program
from charts.rendering import CHART, ROOT

EXAMPLES = sorted(path.parent for path in CHART.glob("examples/*/values.yaml"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    tools = os.pathsep.join((str(Path(program("helm")).parent), os.environ.get("PATH", os.defpath)))
    output("env", f"PATH={tools}", sys.executable, str(ROOT / "scripts/render_examples.py"), str(folder))
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_a_rendered_example_is_fresh(example: Path, fresh: Path) -> None:
    then, now = _files(example / "rendered"), _files(fresh / example.name / "rendered")
    diff = [
        line
        for name in sorted(then.keys() | now.keys())
        for line in difflib.unified_diff(
            then.get(name, "").splitlines(),
            now.get(name, "").splitlines(),
            f"committed/{name}",
            f"fresh/{name}",
            "",
            "",
            2,
            "",
        )
    ]
    assert not diff, "run scripts/render_examples.py:\n" + "\n".join(diff[:80])
    assert now


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_what_it_shows(example: Path) -> None:
    first, second = (example / "values.yaml").read_text().split("\n")[:2]
    assert first.startswith("# ")
    assert second


def test_a_rendered_example_belongs_to_values() -> None:
    assert sorted(CHART.glob("examples/*/rendered")) == [example / "rendered" for example in EXAMPLES]
