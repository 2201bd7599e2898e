import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tandem.adapters.evaluations.charts import Group, Mark, bars
from tandem.adapters.evaluations.report import write_report
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.evaluation.comparison import compare
from tandem.pipeline.evaluation.outcome import Measured, Outcome
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.run import Run
from tandem.pipeline.evaluation.summary import summarise
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import NAMES

EVIL = '<script src="http://evil/x.js"></script>'


class Seen(HTMLParser):
    """Every tag with its attributes; raises for what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def measured(label: str, value: float, *, lost: str | None = None) -> Measured:
    rows = [
        Row(
            f"q{n}", EVIL if n == 0 else f"question {n}?", answerable=n < 9, relevant=("a",), found=("a", EVIL), lost=lost if n < 3 else None,
            stages={stage: dict.fromkeys(NAMES, value if n else 0.0) for stage in ("dense", "fused", "reranked")} if n < 9 else {},
            measures={"groundedness": value}, abstained=False, answer=f"{EVIL} [1]", seconds={"answer": 0.1}, tokens={"prompt": 9},
        )
        for n in range(10)
    ]  # fmt: skip
    labelled = LabelledSet(EVIL, (), {row.question: row.text for row in rows}, {})
    evaluation = summarise(labelled, rows)
    run = Run(
        f"id-{label}", label, 1.7e9, "0.1.0", "in process", "c", EVIL, "h", 10, None, 0, True, "judge@1", ("docs@1",),
        ("answer@1",), ("m",), evaluation.body(),
    )  # fmt: skip
    return Measured(run, evaluation, rows)


def page(tmp_path: Path, found: Outcome) -> str:
    write_report(tmp_path / "report.html", found)
    return (tmp_path / "report.html").read_text()


def test_a_comparison_with_its_history_tells_all_of_it_and_loads_nothing(tmp_path: Path) -> None:
    first, second = measured("a", 0.5, lost="ranked_low"), measured("b", 0.9)
    old = replace(first.run, at_s=1.6e9)
    found = Outcome(
        first, second, compare(first.rows, second.rows), ("retrieval.top_k: 5 → 8",), (old,), tuple(first.rows)
    )
    html = page(tmp_path, found)
    for told in (
        "b is better on nDCG@10", "retrieval.top_k: 5 → 8", "Retrieval, stage by stage", "Over time", "Where answers were lost",
        "Questions that changed most", "Worst questions", "answered though unanswerable", "prefers-color-scheme: dark", "2020-09-13",
    ):  # fmt: skip
        assert told in html, told
    seen = Seen()
    seen.feed(html)
    tags = [tag for tag, _ in seen.tags]
    assert not {"script", "link", "img", "iframe", "object"}.intersection(tags)
    assert not [attrs for _, attrs in seen.tags if {"src", "href"}.intersection(attrs)]
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import", html)
    assert tags.count("svg") == len(NAMES) + 5
    assert EVIL not in html


def test_one_run_of_retrieval_alone_has_no_more_than_it_has(tmp_path: Path) -> None:
    one = measured("a", 1.0)
    rows = [replace(row, measures={}, abstained=None, answer=None, tokens={}) for row in one.rows]
    evaluation = summarise(LabelledSet("s", (), {}, {}), rows)
    html = page(tmp_path, Outcome(Measured(replace(one.run, answers=False), evaluation, rows)))
    for absent in ("b against a", "<h2>Answers", "Over time", "Where answers were lost", "Questions that changed most"):
        assert absent not in html, absent
    assert "nDCG@10" in html


def test_bars_end_where_their_values_do() -> None:
    drawn = bars("t", [Group("x & y", (Mark("a", 0.5, 0.4, 0.6), Mark("b", 1.0, 1.0, 1.0)))])
    widths = [float(width) for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', drawn)]
    assert widths[1] == 2 * widths[0]
    assert "x &amp; y, a: 0.5000 (95 % CI 0.4000 to 0.6000)" in drawn


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report(tmp_path / "no" / "report.html", Outcome(measured("a", 1.0)))
