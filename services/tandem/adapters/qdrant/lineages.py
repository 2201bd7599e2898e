"""A version's lineage as it is stored: a file beside the recipe, or a value in a server's collection metadata."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tandem.adapters.qdrant.files import write_aside
from tandem.domain.errors import StoreMismatch
from tandem.domain.lineage import Lineage

FILE = "lineage.json"
_LINEAGE = TypeAdapter(Lineage)


def lineage_text(lineage: Lineage) -> str:
    """As JSON."""
    return _LINEAGE.dump_json(lineage, indent=2).decode()


def lineage_of(found: Any, where: str) -> Lineage:
    """From JSON text, or an empty one when there is none: a collection from before versions were kept."""
    if found is None:
        return Lineage()
    try:
        return _LINEAGE.validate_json(found)
    except ValidationError as error:
        raise StoreMismatch(f"The lineage of {where} cannot be understood.", hint="Restore or delete it.") from error


def write_lineage(folder: Path, lineage: Lineage) -> None:
    """Beside the recipe."""
    write_aside(folder / FILE, lineage_text(lineage) + "\n")


def read_lineage(folder: Path) -> Lineage:
    """Empty when there is none."""
    try:
        return lineage_of((folder / FILE).read_bytes(), str(folder))
    except FileNotFoundError:
        return Lineage()
