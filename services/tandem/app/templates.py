"""Prompt templates from disk: the shipped ones, overlaid by the user's own."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tandem.domain.errors import ConfigurationError

_SUFFIX = ".jinja"
_REWRITES = "rewrites"


def template_sources(own: Path | None) -> dict[str, str]:
    """`name@version` → template text. Raises `ConfigurationError` for a directory that cannot be read."""
    found = _read(resources.files("tandem.prompting") / "prompts")
    if own is not None:
        if not own.is_dir():
            raise ConfigurationError(f"prompts_dir {own} is not a directory.", hint="Create it, or unset prompts_dir.")
        found |= _read(own)
    return found


def rewrite_sources(own: Path | None) -> dict[str, str]:
    """The same for what a model writes before a search: the user's own lie in the folder `rewrites` below the others."""
    found = _read(resources.files("tandem.prompting") / _REWRITES)
    return found | (_read(own / _REWRITES) if own is not None and (own / _REWRITES).is_dir() else {})


def _read(folder: Traversable) -> dict[str, str]:
    try:
        return {
            entry.name.removesuffix(_SUFFIX): entry.read_text(encoding="utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(_SUFFIX)
        }
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The prompt templates in {folder} cannot be read: {error}.") from error
