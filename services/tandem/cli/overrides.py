"""`--set key=value`: settings of one command, over file and environment."""

from collections.abc import Sequence
from typing import Any

import typer
import yaml

from tandem.app.settings import Settings


def overrides(told: Sequence[str], *, flag: str = "--set") -> dict[str, Any]:
    """`retrieval.top_k=8` and the like as nested keys; values are YAML. A later one wins over an earlier one.

    Raises `typer.BadParameter`.
    """
    found: dict[str, Any] = {}
    for each in told:
        key, equals, value = each.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names):
            raise typer.BadParameter(
                f"{each!r} is not of the form key=value, such as retrieval.top_k=8", param_hint=flag
            )
        if names[0] not in Settings.model_fields:
            raise typer.BadParameter(
                f"there is no setting {key!r}; `tandem config schema` lists every key", param_hint=flag
            )
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise typer.BadParameter(f"the value of {key} cannot be read as YAML", param_hint=flag) from error
        _put(found, names, read, each, flag)
    return found


def _put(found: dict[str, Any], names: Sequence[str], value: Any, told: str, flag: str) -> None:
    for name in names[:-1]:
        found = found.setdefault(name, {})
        if not isinstance(found, dict):
            raise typer.BadParameter(f"{told!r} sets a part of what was set as a whole before", param_hint=flag)
    found[names[-1]] = value


def differing(one: Settings, other: Settings) -> list[str]:
    """`retrieval.top_k: 5 → 8` for each setting that differs; secrets stay masked."""
    first, second = (dict(_flat(each.model_dump(mode="json"))) for each in (one, other))
    return [
        f"{key}: {first.get(key)} → {second.get(key)}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key) and key != "data_dir"
    ]


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _flat(inner, f"{path}.{key}" if path else str(key))]
    return [(path, value)]
