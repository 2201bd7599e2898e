"""From the name of a cross-encoder to its two files on this disk: the ONNX model and its tokenizer."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tandem.domain.errors import ConfigurationError

_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[^/\s]+)(?:/(?P<file>[\w./-]+\.onnx))?")
# Where exporters put the model.
_MODELS = ("model.onnx", "onnx/model.onnx")
_TOKENIZER = "tokenizer.json"
_FORMS = "Give a folder with model.onnx and tokenizer.json, or hf://org/repo@revision[/file.onnx]."


@dataclass(frozen=True, slots=True)
class CrossEncoderFiles:
    """`name` tells the model and its version, for traces and receipts."""

    name: str
    model: Path
    tokenizer: Path


def cross_encoder_files(place: str) -> CrossEncoderFiles:
    """A folder, or hf://org/repo@revision. May download; raises `ConfigurationError`."""
    return _downloaded(place) if place.startswith("hf://") else _in_folder(place)


def _in_folder(place: str) -> CrossEncoderFiles:
    try:
        folder = Path(place).expanduser()
        model = next((folder / each for each in _MODELS if (folder / each).is_file()), None)
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigurationError(f"The reranker {place[:200]!r} is no folder that can be read.", hint=_FORMS) from error
    if model is None:
        raise ConfigurationError(f"There is no reranker in {place[:200]!r}: it holds no model.onnx.", hint=_FORMS)
    tokenizer = folder / _TOKENIZER
    if not tokenizer.is_file():
        raise ConfigurationError(f"The reranker in {place[:200]!r} has no {_TOKENIZER}.", hint=_FORMS)
    return CrossEncoderFiles(f"{folder.resolve().name}@{_digest(model)}", model, tokenizer)


def _digest(model: Path) -> str:
    try:
        with model.open("rb") as weights:
            return hashlib.file_digest(weights, "sha256").hexdigest()[:8]
    except OSError as error:
        raise ConfigurationError(f"The reranker's file {model} cannot be read: {error.strerror}.") from error


def _downloaded(place: str) -> CrossEncoderFiles:
    found = _HUB.fullmatch(place)
    if found is None:
        raise ConfigurationError(f"{place[:200]!r} does not name a reranker.", hint=_FORMS)
    repo, revision = found["repo"], found["revision"]
    model = _first(repo, revision, (found["file"],) if found["file"] else _MODELS)
    return CrossEncoderFiles(f"{repo}@{revision[:12]}", model, _first(repo, revision, (_TOKENIZER,)))


def _first(repo: str, revision: str, names: tuple[str, ...]) -> Path:
    """The first of the files that the repository has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    for name in names:
        try:
            return Path(hf_hub_download(repo, name, revision=revision))
        except GatedRepoError as error:
            raise ConfigurationError(
                f"The repository {repo} is gated.", hint="Accept its terms on the hub, and set HF_TOKEN."
            ) from error
        except LocalEntryNotFoundError as error:
            raise _unreachable(repo, error) from error
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise _unreachable(repo, error) from error
    raise ConfigurationError(f"The repository {repo} holds no {' and no '.join(names)} at {revision}.", hint=_FORMS)


def _unreachable(repo: str, error: Exception) -> ConfigurationError:
    told = " ".join(str(error).split())
    return ConfigurationError(
        f"The reranker {repo} cannot be downloaded: {told[:200]}",
        hint="Check the name and the network, or give a folder.",
    )
