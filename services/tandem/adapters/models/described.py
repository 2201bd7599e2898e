"""What the files beside the weights say: `config.json` of the shape, `README.md`'s front matter of the origin."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tandem.domain.model_version import UNTOLD, Ancestry, Shape

CONFIG = "config.json"
CARD = "README.md"
# A description is small; what is larger is none.
MOST_BYTES = 1_000_000


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


def _listed(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or None
    return str(value) if value else None
