"""YAML files that people write, held to a model; what is wrong with them is said in one line, with its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.domain.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """A group of keys: strict, frozen, and none beside those that are known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_yaml(file: Path, what: str) -> dict[str, Any]:
    """The file's mapping. Raises `ConfigurationError`."""
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The {what} {file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The {what} {file} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"The {what} {file} holds no keys.", hint="docs/planning.md shows one.")
    return data


def validated(model: type[M], data: Mapping[str, Any], where: str) -> M:
    """The data as a model. Raises `ConfigurationError` with the first fault, and how many more there are."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        first = faults[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        more = f" ({len(faults) - 1} more faults)" if len(faults) > 1 else ""
        told = f"{place}: {said}" if place else said
        raise ConfigurationError(f"{where}: {told}{more}.", hint="docs/planning.md tells what goes there.") from error


def overlaid(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `own` in their place; groups are merged, all else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        known = merged.get(key)
        merged[key] = overlaid(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged
