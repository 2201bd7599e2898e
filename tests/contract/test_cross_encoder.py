"""The cross-encoder in this process, over a real ONNX model that the test makes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
import pytest
from httpx2 import Request, Response
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError
from pydantic import ValidationError

from fakes.cross_encoder import write_model, write_tokenizer
from tandem.adapters.rerankers.cross_encoder import cross_encoder
from tandem.adapters.rerankers.files import cross_encoder_files
from tandem.adapters.rerankers.pairs import Pairs
from tandem.app import parts
from tandem.app.features import Reranker
from tandem.app.settings import load_settings
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import ConfigurationError, UpstreamFailed
from tandem.domain.passage import Passage

CONTEXT = RequestContext("r-1")


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(Chunk("guide.md", ordinal, text, ("Guide",), 0, len(text), 3), "Guide", "guide.md")
        for ordinal, text in enumerate(texts)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "overlap"
    write_model(place / "model.onnx")
    write_tokenizer(place)
    return place


async def scores(place: Path, question: str, *texts: str, **options: int) -> list[float]:
    async with cross_encoder(str(place), **options) as reranker:
        return await reranker.score(question, passages(*texts), CONTEXT)


async def test_question_and_passage_are_looked_at_together(folder: Path) -> None:
    found = await scores(folder, "green tea", "black coffee", "green tea from japan", "green apples", "")
    assert found == [0.0, 2.0, 1.0, 0.0]


async def test_more_pairs_than_a_batch_of_any_length_keep_their_order(folder: Path) -> None:
    texts = [" ".join(["tea"] * (n % 13)) for n in range(50)]
    assert await scores(folder, "tea", *texts) == [float(n % 13) for n in range(50)]


async def test_no_passages_need_no_model(folder: Path) -> None:
    assert await scores(folder, "tea") == []


async def test_what_is_too_long_is_cut_the_passage_first(folder: Path) -> None:
    assert await scores(folder, "tea", "tea " * 100, max_tokens=16) == [12.0]
    # Half of the room is the question's, the rest the passage's.
    assert await scores(folder, "tea " * 100, "tea " * 100, max_tokens=16) == [8.0 * 5.0]


async def test_any_text_at_all_gets_a_score(folder: Path) -> None:
    assert await scores(folder, "tea \ud800 ü", "tea \udfff 🚢", "\x00") == [1.0, 0.0]


async def test_two_labels_are_one_score(folder: Path) -> None:
    write_model(folder / "model.onnx", outputs=2)
    assert await scores(folder, "green tea", "green tea", "coffee") == [2.0, 0.0]


async def test_its_name_tells_the_model_and_its_version(folder: Path) -> None:
    async with cross_encoder(str(folder)) as reranker:
        name = reranker.name
    write_model(folder / "model.onnx", outputs=2)
    assert name.startswith("overlap@")
    assert cross_encoder_files(str(folder)).name not in (name, "overlap@")


async def test_exporters_may_put_the_model_into_a_folder_of_its_own(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx/model.onnx")
    assert await scores(folder, "tea", "tea") == [1.0]


async def test_who_leaves_waits_for_the_running_batch_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    real = Pairs.scores

    def counted(self: Pairs, pairs: Sequence[object]) -> list[float]:
        ran.append(len(pairs))
        return real(self, pairs)

    monkeypatch.setattr(Pairs, "scores", counted)
    async with cross_encoder(str(folder)) as reranker:
        work = asyncio.create_task(reranker.score("tea", passages(*["tea"] * 400), CONTEXT))
        while not ran:
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert sum(ran) < 400


def _no_model(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _broken_model(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model")


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def _of_another_kind(folder: Path) -> None:
    write_model(folder / "model.onnx", inputs=("input_ids", "attention_mask", "token_type_ids", "pixel_values"))


@pytest.mark.parametrize("broken", [_no_model, _no_tokenizer, _broken_model, _broken_tokenizer, _of_another_kind])
async def test_what_is_no_cross_encoder_is_told_at_the_start(folder: Path, broken: object) -> None:
    broken(folder)  # type: ignore[operator]
    with pytest.raises(ConfigurationError) as caught:
        await scores(folder, "tea", "tea")
    assert caught.value.hint


async def test_an_answer_that_is_no_score_is_a_failure(folder: Path) -> None:
    write_model(folder / "model.onnx", outputs=5)
    with pytest.raises(UpstreamFailed, match="no score"):
        await scores(folder, "tea", "tea")


@pytest.mark.parametrize(
    "place", ["", "\x00", "/nowhere", "~nobody-there/x", "hf://org", "hf://org/repo", "hf://a/b@c/d.bin"]
)
def test_names_that_are_none(place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cross_encoder_files(place)
    assert caught.value.hint


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """A hub that has the folder's files under `onnx/`; what was asked of it."""
    asked: list[tuple[str, str, str]] = []
    held = {"onnx/model.onnx": folder / "model.onnx", "tokenizer.json": folder / "tokenizer.json"}
    request = Request("GET", "https://hub")

    def download(repo: str, name: str, *, revision: str) -> str:
        asked.append((repo, name, revision))
        if repo == "org/gated":
            raise GatedRepoError("gated", response=Response(403, request=request))
        if repo == "org/away":
            raise HfHubHTTPError("away", response=Response(503, request=request))
        if name not in held:
            raise EntryNotFoundError("none")
        return str(held[name])

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


async def test_from_the_hub_at_a_revision(hub: list[tuple[str, str, str]]) -> None:
    async with cross_encoder("hf://org/ranker@0123456789abcdef") as reranker:
        assert await reranker.score("tea", passages("tea", "coffee"), CONTEXT) == [1.0, 0.0]
        assert reranker.name == "org/ranker@0123456789ab"
    assert {(repo, revision) for repo, _, revision in hub} == {("org/ranker", "0123456789abcdef")}


def test_a_file_of_the_hub_may_be_named(hub: list[tuple[str, str, str]]) -> None:
    cross_encoder_files("hf://org/ranker@main/onnx/model.onnx")
    assert [name for _, name, _ in hub] == ["onnx/model.onnx", "tokenizer.json"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("hf://org/gated@main", "gated"),
        ("hf://org/away@main", "cannot be downloaded"),
        ("hf://org/ranker@main/int8.onnx", "holds no int8.onnx"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_give(place: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        cross_encoder_files(place)


async def test_the_settings_name_it(folder: Path) -> None:
    settings = load_settings(None, reranker=Reranker(model=str(folder)))
    async with parts.reranker(settings) as reranker:
        assert await reranker.score("tea", passages("tea"), CONTEXT) == [1.0]
        assert reranker.name.startswith("overlap@")
    with pytest.raises(ValidationError, match="exclude each other"):
        Reranker(model=str(folder), url="http://tei")
