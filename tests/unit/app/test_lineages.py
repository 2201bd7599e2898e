import json
import logging
from pathlib import Path

import pytest

from tandem.adapters.models.lineage import DEPLOYED, INSTALLED, deployed_text
from tandem.app.lineages import PoolLineage
from tandem.app.traffic import ModelPolicy
from tandem.domain.generation import ModelCard
from tandem.domain.model_lineage import Deployed
from tandem.domain.model_version import UNTOLD, Ancestry

CARD = ModelCard("org/m", "tgi", 4096, "aaa")


def installed(folder: Path, model: str, dataset: str) -> None:
    # As the chart writes it: what nobody told is empty.
    told = {"model": model, "ancestry": {"dataset": dataset, "training_run": "", "base_model": ""}}
    (folder / INSTALLED).write_text(json.dumps(told))


async def test_it_is_read_again_as_it_changes(tmp_path: Path) -> None:
    lineage = PoolLineage(tmp_path, None)
    await lineage.read()
    assert lineage.of(CARD) == UNTOLD
    installed(tmp_path, "hf://org/m:aaa", "a@1")
    await lineage.read()
    assert lineage.of(CARD) == Ancestry("a@1")
    (tmp_path / DEPLOYED).write_text(deployed_text(Deployed("hf://org/m:aaa", "bbb", {"bbb": Ancestry("b@2")})))
    await lineage.read()
    assert lineage.of(ModelCard("org/m", "tgi", 4096, "bbb")) == Ancestry("b@2")
    beside = Deployed("hf://org/m:aaa", "", {"ccc": Ancestry("c@3")}, "ccc")
    (tmp_path / DEPLOYED).write_text(deployed_text(beside))
    tried = PoolLineage(tmp_path, None, serves=False)
    await tried.read()
    assert tried.of(ModelCard("tandem", "vllm", 4096, None)) == Ancestry("c@3")


async def test_what_cannot_be_read_is_told_once_and_what_was_known_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installed(tmp_path, "hf://org/m:aaa", "a@1")
    lineage = PoolLineage(tmp_path, None)
    await lineage.read()
    (tmp_path / INSTALLED).write_text("{")
    with caplog.at_level(logging.WARNING):
        await lineage.read()
        await lineage.read()
    assert [each.message.partition(":")[0] for each in caplog.records] == [
        "receipts do not tell what models were made from"
    ]
    assert lineage.of(CARD) == Ancestry("a@1")


@pytest.mark.parametrize(
    ("model", "revision", "known"),
    [("org/m", None, True), ("org/m", "aaa", True), ("org/m", "bbb", False), ("org/n", None, False)],
)
async def test_without_files_it_is_as_declared(model: str, revision: str | None, known: bool) -> None:
    lineage = PoolLineage(None, ModelPolicy(id=model, revision=revision, dataset="a@1", training_run="run-1"))
    await lineage.read()
    await lineage.watch()
    assert lineage.of(CARD) == (Ancestry("a@1", "run-1") if known else UNTOLD)
