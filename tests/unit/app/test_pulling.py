import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.adapters.models.folder import FolderModel
from tandem.app.pulling import default_folder, pull
from tandem.domain.errors import ConfigurationError, StoreBusy
from tandem.domain.model_version import ModelVersion
from tandem.ports.models import Tell


def quiet(_done: int, _total: int | None) -> None:
    """Nobody looks."""


@pytest.fixture
def source(tmp_path: Path) -> FolderModel:
    (tmp_path / "kept").mkdir()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / "kept" / name).write_bytes(name.encode())
    return FolderModel("m", tmp_path / "kept")


async def brought(source: FolderModel, folder: Path) -> bool:
    return await pull(source, await source.resolve(), folder, quiet)


async def test_a_second_pull_of_a_version_does_nothing(source: FolderModel, tmp_path: Path) -> None:
    target = default_folder(tmp_path, await source.resolve())
    assert await brought(source, target)
    assert not await brought(source, target)
    assert sorted(each.name for each in target.iterdir()) == [".tandem-model.json", "a.gguf", "b.gguf"]
    assert (await FolderModel("m", target).resolve()).version == (await source.resolve()).version


async def test_a_folder_with_something_else_is_not_taken_for_it(source: FolderModel, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    assert await brought(source, target), "an empty one is as good as none"
    (tmp_path / "kept" / "a.gguf").write_bytes(b"other")
    others = tmp_path / "others"
    others.mkdir()
    (others / "a.gguf").write_bytes(b"x")
    for there in (target, others, others / "a.gguf", Path("/")):
        with pytest.raises(ConfigurationError, match="is there already, and is not this version") as told:
            await brought(source, there)
        assert told.value.hint
    assert (target / "a.gguf").read_bytes() == b"a.gguf"


async def test_one_file_of_a_commit_is_not_another_one(source: FolderModel, tmp_path: Path) -> None:
    whole = await source.resolve()
    one = replace(whole, files=whole.files[:1])
    assert await pull(source, whole, tmp_path / "mine", quiet)
    with pytest.raises(ConfigurationError, match="is not this version"):
        await pull(source, one, tmp_path / "mine", quiet)


async def test_what_is_left_of_another_version_is_not_mixed_with_it(source: FolderModel, tmp_path: Path) -> None:
    class Cut(FolderModel):
        async def pull(self, version: ModelVersion, folder: str, tell: object) -> None:
            (Path(folder) / "left.gguf").write_bytes(b"of the first version")
            raise OSError(28, "No space left on device")

    cut = Cut("m", tmp_path / "kept")
    with pytest.raises(ConfigurationError, match=r"cannot be written .* No space left on device"):
        await brought(cut, tmp_path / "mine")
    (tmp_path / "kept" / "a.gguf").write_bytes(b"other")
    assert await brought(source, tmp_path / "mine")
    assert not (tmp_path / "mine" / "left.gguf").exists()


async def test_of_two_who_pull_the_same_one_is_told(source: FolderModel, tmp_path: Path) -> None:
    begun, goes = asyncio.Event(), asyncio.Event()

    class Slow(FolderModel):
        async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
            begun.set()
            await goes.wait()
            await super().pull(version, folder, tell)

    first = asyncio.create_task(brought(Slow("m", tmp_path / "kept"), tmp_path / "mine"))
    await begun.wait()
    with pytest.raises(StoreBusy, match="Another process pulls this"):
        await brought(source, tmp_path / "mine")
    goes.set()
    assert await first
    assert sorted(each.name for each in (tmp_path / "mine").iterdir()) == [".tandem-model.json", "a.gguf", "b.gguf"]
    assert not await brought(source, tmp_path / "mine")
