"""What the files beside the weights say: `config.json` of the shape, `README.md`'s front matter of the origin; where files go."""

import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tandem.domain.errors import ConfigurationError, UnknownModel
from tandem.domain.model_version import UNTOLD, Ancestry, ModelFile, Shape

CONFIG = "config.json"
CARD = "README.md"
# A description is small; what is larger is none.
MOST_BYTES = 1_000_000
# Whatever file it is about, a disk here is at fault; stores' own errors have other numbers, or none.
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE})


def shape_of(config: bytes | str | None) -> Shape | None:
    """From a Transformers config.json; None when it does not say enough."""
    try:
        told = json.loads(config or "")
        return None if not isinstance(told, dict) else _shape(told.get("text_config") or told)
    except (ValueError, TypeError, KeyError, ZeroDivisionError, AttributeError):
        return None


def _shape(told: Mapping[str, Any]) -> Shape:
    heads = int(told["num_attention_heads"])
    return Shape(
        layers=int(told["num_hidden_layers"]),
        kv_heads=int(told.get("num_key_value_heads") or heads),
        head_size=int(told.get("head_dim") or int(told["hidden_size"]) // heads),
        context_tokens=int(told.get("max_position_embeddings") or 0),
    )


def ancestry_of(card: bytes | str | None) -> Ancestry:
    """From a model card: `datasets`, `training_run` and `base_model` of its front matter."""
    text = card.decode(errors="replace") if isinstance(card, bytes) else card or ""
    if not text.startswith("---"):
        return UNTOLD
    try:
        told = yaml.safe_load(text[3:].split("\n---", 1)[0])
    except yaml.YAMLError:
        return UNTOLD
    return ancestry_in(told) if isinstance(told, Mapping) else UNTOLD


def ancestry_in(told: Mapping[str, Any]) -> Ancestry:
    """From the front matter, read already."""
    return Ancestry(
        _listed(told.get("datasets")), _listed(told.get("training_run")), _listed(told.get("base_model"))
    )  # fmt: skip


def chosen(files: Sequence[ModelFile], file: str, where: str) -> tuple[ModelFile, ...]:
    """All, or of the weights the one `file` that was named. Raises `UnknownModel` where it is not there."""
    if not file:
        return tuple(files)
    if not any(each.path == file for each in files):
        there = ", ".join(each.path for each in files if each.format) or "no weights at all"
        raise UnknownModel(f"{where} has no {file}.", hint=f"It holds {there}.", param="model")
    return tuple(each for each in files if each.format is None or each.path == file)


def unwritten(error: Exception) -> ConfigurationError | None:
    """What to tell when a file of this machine is at fault; None when it is the place that was asked."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is None and error.errno not in _OF_THE_DISK:
        return None
    where = "" if error.filename is None else f" to {error.filename}"
    return ConfigurationError(
        f"The model cannot be written{where}: {error.strerror}.",
        hint="Make room, or name another place with --to. What came so far is used by the next try.",
    )


def place_in(folder: Path, path: str) -> Path:
    """Where a file that a source lists goes, with the folders above it made. Raises `ConfigurationError` for one outside."""
    below = PurePosixPath(path)
    if not below.name or below.is_absolute() or ".." in below.parts or "\0" in path:
        raise ConfigurationError(
            f"The source lists a file {path!r}, which would lie outside of the model's folder.",
            hint="Ask whoever keeps the model what that is; nothing of it is brought.",
        )
    place = folder / below
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _listed(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or None
    return str(value) if value else None
