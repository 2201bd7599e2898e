from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from tandem.app.settings import load_settings
from tandem.cli.evaluation_sides import Side, differences, fingerprint, same_index
from tandem.cli.overrides import differing, overrides
from tandem.cli.thresholds import missed, thresholds
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.summary import Evaluation, summarise
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import NAMES

SIDE = Side("a", None, (), None, None, None)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([], {}),
        (["retrieval.top_k=8", "retrieval.rerank=false"], {"retrieval": {"top_k": 8, "rerank": False}}),
        (["prompt=answer@2", "prompt=answer@3"], {"prompt": "answer@3"}),
        (["reranker.url=http://a/?b=c"], {"reranker": {"url": "http://a/?b=c"}}),
        (["retrieval.threshold="], {"retrieval": {"threshold": None}}),
    ],
)
def test_settings_of_the_command_line(told: list[str], found: dict[str, Any]) -> None:
    assert overrides(told) == found


@pytest.mark.parametrize(
    "told", [["top_k"], ["=8"], ["a..b=1"], ["prompt=[1"], ["prompt=1", "prompt.b=2"], ["config=1"], ["url=http://a"]]
)
def test_what_is_no_setting_is_a_usage_error(told: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        overrides(told)


def test_a_setting_wins_over_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tandem.yaml"
    file.write_text("retrieval: {top_k: 3, candidates: 40}\n")
    monkeypatch.setenv("TANDEM_RETRIEVAL__TOP_K", "4")
    side = replace(SIDE, config=file, settings=("retrieval.top_k=8",))
    assert (side.load().retrieval.top_k, side.load().retrieval.candidates) == (8, 40)
    with pytest.raises(ConfigurationError, match="top_q"):
        replace(side, settings=("retrieval.top_q=8",)).load()


def test_sides_that_differ_say_in_what_and_share_an_index_where_they_may() -> None:
    one, other = SIDE, replace(SIDE, label="b", settings=("retrieval.top_k=8",))
    assert differences(one, other, (one.load(), other.load())) == ("retrieval.top_k: 5 → 8",)
    assert fingerprint(one.load()) != fingerprint(other.load())
    assert same_index(one.load(), other.load())
    chunked = replace(SIDE, settings=("ingestion.chunk_tokens=100",)).load()
    assert not same_index(one.load(), chunked)
    served = replace(SIDE, url="http://a", collection="docs@2")
    assert differences(one, served, (one.load(), one.load())) == ("url: none → http://a", "collection: none → docs@2")
    assert one.ingests
    assert not served.ingests
    elsewhere = load_settings(None, data_dir=Path("elsewhere"))
    assert fingerprint(one.load()) == fingerprint(elsewhere)
    assert differing(one.load(), elsewhere) == []


def test_what_a_labelled_set_brings_goes_to_no_server() -> None:
    told = ("vectors.url=http://qdrant:6333", "retriever.url=http://retriever")
    here = replace(SIDE, settings=told).load()
    assert (here.vectors.url, here.retriever.url) == (None, None)
    there = replace(SIDE, settings=told, collection="docs").load()
    assert there.vectors.url == "http://qdrant:6333"
    elsewhere = replace(SIDE, settings=("data_dir=elsewhere",), collection="docs").load()
    assert elsewhere.data_dir == Path("elsewhere")


def _found(value: float) -> Evaluation:
    stages = {"dense": dict.fromkeys(NAMES, 0.9), "fused": dict.fromkeys(NAMES, value)}
    row = Row("q", "?", answerable=True, stages=stages, measures={"groundedness": 0.5}, relevant=("a",), found=("a",))
    return summarise(LabelledSet("s", (), {"q": "?"}, {"q": {"a": 1}}), [row])


def test_thresholds_of_the_last_stage_of_a_stage_and_of_answers() -> None:
    told = ["ndcg@10=.8", "dense:recall@10=0.95", "groundedness=.4", "hit=1", "citation_precision=.1"]
    lines = missed(_found(0.7), thresholds(told, answers=True))
    assert lines == [
        "ndcg@10 is 0.7000, under 0.8",
        "dense:recall@10 is 0.9000, under 0.95",
        "citation_precision is not measured, under 0.1",
    ]
    assert missed(_found(0.8), thresholds(["ndcg@10=.8"], answers=False)) == []


@pytest.mark.parametrize(
    "told",
    [
        "ndcg@11=.5",
        "ndcg@10",
        "ndcg@10=",
        "ndcg@10=2",
        "ndcg@10=nan",
        "all:ndcg@10=.5",
        "dense:hit=.5",
        "groundedness=.5",
    ],
)
def test_a_threshold_that_cannot_be_is_a_usage_error_before_anything_is_asked(told: str) -> None:
    with pytest.raises(typer.BadParameter):
        thresholds([told], answers=False)
