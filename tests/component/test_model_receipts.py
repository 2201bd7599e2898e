"""What a model was made from, in the receipts of its answers."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp

from component.asking import model, serving
from fakes.predictor import predictor
from fakes.records import answer_record
from fakes.revised_predictor import Revised
from fakes.steady_llm import MODEL
from tandem.adapters.models.lineage import DEPLOYED, INSTALLED, deployed_text
from tandem.adapters.spool.encoding import decoded, encoded
from tandem.app import parts
from tandem.app.settings import load_settings
from tandem.domain.model_lineage import Deployed
from tandem.domain.model_version import UNTOLD, Ancestry


async def test_a_receipt_tells_what_the_model_was_made_from(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / INSTALLED).write_text(json.dumps({"model": "pvc://models/m", "ancestry": {"dataset": "old@1"}}))
    told = Deployed("pvc://models/m", "sha256:1", {"sha256:1": Ancestry("support@3", "run-9", "org/base")})
    (folder / DEPLOYED).write_text(deployed_text(told))
    settings = {
        "predictor__protocol": "openai",
        "predictor__model": MODEL,
        "predictor__lineage": folder,
        "retrieval__enabled": "false",
    }
    async with (
        model() as served,
        serving("all", tmp_path, predictor__url=served.url, **settings) as process,
        aiohttp.ClientSession(process.url) as http,
    ):
        body = {"model": MODEL, "messages": [{"role": "user", "content": "What is Tandem?"}]}
        async with http.post("/v1/chat/completions", json=body) as reply:
            assert reply.status == 200, await reply.text()
            receipt = reply.headers["x-tandem-receipt-id"]
        async with http.get(f"/v1/receipts/{receipt}") as reply:
            found = (await reply.json())["model"]
    assert (found["dataset"], found["training_run"], found["base_model"]) == ("support@3", "run-9", "org/base")


async def test_the_first_answer_of_another_version_bears_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    made = {f"sha256:{number}": Ancestry(f"support@{number}", f"run-{number}") for number in (1, 2)}
    (folder / DEPLOYED).write_text(deployed_text(Deployed("", "", made)))
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(parts.embedder(load_settings()))
        async with predictor(Revised(embedder, "sha256:1", "Old.")) as before:
            settings = {"predictor__lineage": folder, "retrieval__enabled": "false"}
            process = await stack.enter_async_context(serving("all", tmp_path, predictor__url=before.url, **settings))
            http = await stack.enter_async_context(aiohttp.ClientSession(process.url))
            assert await told(http) == ("Old.", "sha256:1", "support@1")
        port = int(before.url.rpartition(":")[2])
        async with predictor(Revised(embedder, "sha256:2", "New."), port=port):
            assert await told(http) == ("New.", "sha256:2", "support@2")


async def told(http: aiohttp.ClientSession) -> tuple[str, str, str]:
    """An answer's words, and of what version and data set its receipt says that they are."""
    body = {"messages": [{"role": "user", "content": "What is Tandem?"}]}
    async with http.post("/v1/chat/completions", json=body) as reply:
        assert reply.status == 200, await reply.text()
        words = (await reply.json())["choices"][0]["message"]["content"]
        receipt = reply.headers["x-tandem-receipt-id"]
    async with http.get(f"/v1/receipts/{receipt}") as reply:
        found = (await reply.json())["model"]
    return words, found["revision"], found["dataset"]


def test_records_from_before_are_read() -> None:
    record = answer_record()
    assert record.model is not None
    old = json.loads(encoded(record))
    del old["model"]["ancestry"]
    assert decoded(json.dumps(old).encode()) == replace(record, model=replace(record.model, ancestry=UNTOLD))
