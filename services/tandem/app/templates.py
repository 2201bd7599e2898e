"""Prompt templates from disk: the shipped ones, overlaid by the user's own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tandem.domain.errors import ConfigurationError
from tandem.pipeline.answering import UNAIDED
from tandem.prompting.rewrites import Rewrites
from tandem.prompting.templates import Templates

if TYPE_CHECKING:
    from tandem.app.settings import Settings

_SUFFIX = ".jinja"
_REWRITES = "rewrites"


@dataclass(frozen=True, slots=True)
class Template:
    """One as it is on the disk: what a model is asked for with it, whether it is `shipped` or lies in `prompts_dir`, and
    which settings choose it.
    """

    name: str
    purpose: Literal["answers", "searches"]
    source: str
    used_by: tuple[str, ...]
    text: str


def templates(settings: "Settings") -> tuple[Template, ...]:
    """All there are, versions in their order. Raises `ConfigurationError` for what a process would not start with."""
    own = settings.prompts_dir
    answers, searches = template_sources(own), rewrite_sources(own)
    # As when a process starts.
    Templates(answers)
    Rewrites(searches)
    retrieval = settings.retrieval
    answering = {"prompt": settings.prompt, "answers without passages": UNAIDED}
    searching = {
        "retrieval.standalone_prompt": retrieval.standalone_prompt,
        "retrieval.self_query_prompt": retrieval.self_query_prompt,
        "retrieval.expand.multi_query_prompt": retrieval.expand.multi_query_prompt,
        "retrieval.expand.hyde_prompt": retrieval.expand.hyde_prompt,
    }
    of_answers = _described("answers", answers, answering, own)
    return (*of_answers, *_described("searches", searches, searching, None if own is None else own / _REWRITES))


def _described(
    purpose: Literal["answers", "searches"], texts: Mapping[str, str], choosers: Mapping[str, str], own: Path | None
) -> Iterator[Template]:
    for name in sorted(texts, key=_in_order):
        path = None if own is None else own / f"{name}{_SUFFIX}"
        source = "shipped" if path is None or not path.is_file() else str(path)
        used_by = tuple(setting for setting, chosen in choosers.items() if chosen == name)
        yield Template(name, purpose, source, used_by, texts[name])


def _in_order(name: str) -> tuple[str, int, str]:
    """Version 10 after version 9."""
    base, _, version = name.rpartition("@")
    number = re.match(r"\d+", version)
    return base or name, int(number.group()) if number else 0, version


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
