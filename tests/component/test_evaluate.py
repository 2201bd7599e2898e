"""`tandem eval` on a tiny set: answers, two configurations, an interruption, a running Tandem, and the report in a browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from component.browser import DESKTOP, PHONE, chromium, tab
from component.deployments import start, stop
from tandem.cli.main import app

DOCUMENTS = {
    "hours": "The harbour office of Larkhaven opens at seven in the morning and closes at nine in the evening.",
    "fees": "A berth for a boat of up to eight metres costs fourteen crowns a night. Longer boats pay two crowns a metre.",
    "bread": "A sourdough starter wants flour and water once a day. It is ripe when it doubles within six hours.",
    "glacier": "The glacier lost more than a metre of thickness a year, which scientists put down to warmer summers.",
}
QUESTIONS: dict[str, tuple[str, str | None, str | None]] = {
    "q1": ("When does the harbour office open?", "hours", "seven in the morning"),
    "q2": ("What does a berth for a small boat cost?", "fees", "fourteen crowns"),
    "q3": ("What does a sourdough starter want?", "bread", "flour and water"),
    "q4": ("Who won the football cup in 1966?", None, None),
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index, the results and the report of this module lie."""
    return tmp_path_factory.mktemp("evaluations")


@pytest.fixture(scope="module")
def labelled(here: Path) -> Path:
    folder = here / "tiny"
    (folder / "qrels").mkdir(parents=True)
    _write(folder / "corpus.jsonl", [{"_id": name, "title": "", "text": text} for name, text in DOCUMENTS.items()])
    _write(folder / "queries.jsonl", [{"_id": name, "text": text} for name, (text, _, _) in QUESTIONS.items()])
    _write(folder / "answers.jsonl", [{"_id": n, "answers": [gold]} for n, (_, _, gold) in QUESTIONS.items() if gold])
    lines = [f"{name}\t{document}\t1" for name, (_, document, _) in QUESTIONS.items() if document]
    (folder / "qrels/test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    return folder


def _write(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _eval(*flags: object) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, flags)])


def _found(*flags: object) -> dict[str, Any]:
    run = _eval(*flags, "-o", "json")
    assert run.exit_code == 0, run.output
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def twice(labelled: Path, here: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run by itself, and one against another configuration with a report."""
    base = (labelled, "--answers", "--keep", here / "index", "--results", here / "results")
    # Nothing passes a threshold of relevance that nothing can reach: then b refuses everything.
    other = ("--against-set", "retrieval.threshold=1", "--report", here / "report.html")
    return _found(*base), _found(*base, *other)


def test_answers_are_measured(twice: tuple[dict[str, Any], dict[str, Any]]) -> None:
    found, _ = twice
    assert found["stages"]["fused"]["ndcg@10"] == 1.0
    assert {name: measure["mean"] for name, measure in found["answers"].items()} | {"answer_f1": 0} == {
        "citation_precision": 1.0, "citation_recall": 1.0, "gold_cited": 1.0, "cites_gold": 1.0, "groundedness": 1.0,
        "answer_contains": 1.0, "answer_f1": 0,
    }  # fmt: skip
    assert (found["abstained_answerable"], found["abstained_unanswerable"]) == (0.0, 1.0)
    assert found["served"]["hit"]["mean"] == 1.0
    assert found["tokens"]["completion"]["mean"] > 0
    assert found["run"]["models"][0].startswith("extractive@")
    assert found["run"]["collections"] == ["evaluation@1"]
    assert found["run"]["config"]


def test_two_configurations_are_compared_and_kept(twice: tuple[dict[str, Any], dict[str, Any]], here: Path) -> None:
    found, compared = twice
    assert compared["stages"] == found["stages"]
    assert compared["against"]["lost"] == {"below_threshold": 3}
    assert compared["comparison"]["differs"] == ["retrieval.threshold: None → 1.0"]
    assert compared["comparison"]["metrics"]["gold_cited"]["mean"] == -1.0
    assert compared["comparison"]["metrics"]["ndcg@10"]["mean"] == 0.0
    runs = [json.loads(line) for line in (here / "results/runs.jsonl").read_text().splitlines()]
    assert [run["side"] for run in runs] == ["a", "a", "b"]
    assert runs[0]["config"] == runs[1]["config"] != runs[2]["config"]
    assert not list((here / "results/partial").iterdir())


def test_thresholds_end_the_command_with_one(labelled: Path, here: Path) -> None:
    flags = (labelled, "--keep", here / "index")
    assert _eval(*flags, "--fail-under", "ndcg@10=.9", "--fail-under", "hit=1").exit_code == 0
    missed = _eval(
        *flags, "--set", "retrieval.threshold=1", "--fail-under", "hit=.9", "--fail-under", "dense:mrr@10=.1"
    )
    assert missed.exit_code == 1
    assert "hit is 0.0000, under 0.9" in missed.output
    assert "mrr" not in missed.output.rpartition("lost")[2]
    assert _eval(*flags, "--fail-under", "groundedness=.5").exit_code == 2
    assert _eval(*flags, "--fail-if-worse").exit_code == 2
    assert _eval(*flags, "--report", here / "nowhere" / "report.html").exit_code == 2
    assert _eval(*flags, "--report", here).exit_code == 2
    for address in ("nowhere", "http://127.0.0.1:99999", "http://[", "ftp://host"):
        assert _eval(labelled, "--url", address).exit_code == 2
    assert _eval(*flags, "--set", "retrieval.top_k").exit_code == 2


def test_a_running_tandem_is_asked_and_not_touched(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name, text in DOCUMENTS.items():
        (documents / f"{name}.md").write_text(text)
    golden = tmp_path / "golden.jsonl"
    _write(
        golden,
        [
            {"id": name, "question": text, **({"document_ids": [f"documents/{right}.md"], "answer": gold} if right else {"unanswerable": True})}
            for name, (text, right, gold) in QUESTIONS.items()
        ],
    )  # fmt: skip
    server = start("all", tmp_path / "server", {})
    try:
        asked = (golden, "--url", server.url, "--answers", "--results", tmp_path / "results")
        nothing = _eval(*asked)
        assert (nothing.exit_code, nothing.exception) == (1, nothing.exception)
        ingested = CliRunner().invoke(app, ["ingest", str(documents), "--url", server.url])
        assert ingested.exit_code == 0, ingested.output
        found = _found(*asked, "--fail-under", "ndcg@10=1", "--fail-under", "groundedness=1")
        assert found["run"]["subject"] == server.url
        assert found["run"]["config"] == ""
        assert found["answers"]["answer_contains"]["mean"] == 1.0
        assert (found["abstained_answerable"], found["abstained_unanswerable"]) == (0.0, 1.0)
        assert found["documents"] == 0
    finally:
        stop(server)
    gone = _eval(golden, "--url", server.url)
    assert gone.exit_code == 1


@pytest.mark.usefixtures("twice")
def test_the_report_reads_well_in_a_browser(here: Path) -> None:
    report = here / "report.html"
    with chromium() as browser:
        for size, dark in ((DESKTOP, False), (DESKTOP, True), (PHONE, False)):
            with tab(browser, report.as_uri(), size, dark=dark) as page:
                for heading in ("b against a", "Retrieval, stage by stage", "Answers", "Over time", "Worst questions"):
                    assert page.get_by_role("heading", name=heading, exact=True).is_visible()
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
                ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (sum(map(int, ground[4:-1].split(","))) < 300) == dark
                drawn = page.locator("svg rect.bar").evaluate_all(
                    "all => all.map(each => each.getBoundingClientRect().width)"
                )
                assert max(drawn) > 50
