"""What the models of a predictor were made from, as two files tell it: Helm's, and that of `tandem models`."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_lineage import Deployed, Installed, Lineage

T = TypeVar("T")
INSTALLED, DEPLOYED = "installed.json", "deployed.json"
_INSTALLED: TypeAdapter[Installed] = TypeAdapter(Installed)
_DEPLOYED: TypeAdapter[Deployed] = TypeAdapter(Deployed)


def read_lineage(folder: Path) -> Lineage:
    """Of what is there. Raises `ConfigurationError` for a file that cannot be read."""
    return Lineage(
        _read(folder / INSTALLED, _INSTALLED) or Installed(), _read(folder / DEPLOYED, _DEPLOYED) or Deployed()
    )


def installed_in(text: str) -> Installed:
    """Raises `ValueError`."""
    return _INSTALLED.validate_json(text)


def deployed_text(deployed: Deployed) -> str:
    """As the file has it."""
    return _DEPLOYED.dump_json(deployed).decode()


def _read(path: Path, kind: TypeAdapter[T]) -> T | None:
    try:
        return kind.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {' '.join(str(error).split())[:200]}", hint="tandem models deploy writes it anew."
        ) from error
