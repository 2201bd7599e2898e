"""A collection's recipe as a file that is there whole or not at all."""

from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.adapters.qdrant.files import write_aside
from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch

FILE = "recipe.json"


class RecipeWire(BaseModel):
    """The recipe as it is stored, in a file or in a server's collection metadata."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    embedder: str
    dimensions: int
    sparse: str
    chunker: str

    def recipe(self) -> Recipe:
        """The recipe itself."""
        return Recipe(self.embedder, self.dimensions, self.sparse, self.chunker)


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Its presence says that the collection is complete."""
    write_aside(folder / FILE, RecipeWire(**asdict(recipe)).model_dump_json(indent=2) + "\n")


def read_recipe(folder: Path) -> Recipe:
    """Raises `FileNotFoundError` when there is none, `StoreMismatch` when it cannot be understood."""
    text = (folder / FILE).read_bytes()
    try:
        return RecipeWire.model_validate_json(text).recipe()
    except ValidationError as error:
        raise StoreMismatch(
            f"{folder / FILE} cannot be understood.", hint="Restore it, or delete the collection and ingest again."
        ) from error
