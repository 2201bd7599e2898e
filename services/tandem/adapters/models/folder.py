"""A folder: its version is the digest of what lies in it."""

import asyncio
import shutil
from hashlib import file_digest
from pathlib import Path

from tandem.adapters.models.described import CARD, CONFIG, ancestry_of, place_in, shape_of
from tandem.domain.errors import ConfigurationError, PermissionDenied, UnknownModel
from tandem.domain.model_version import ModelFile, ModelVersion, digest_of
from tandem.ports.models import Tell

_UNSERVED = (
    "a predictor cannot reach a folder of this machine: say in served_from where the cluster has it (pvc://CLAIM/PATH)"
)


class FolderModel:
    """`ports/models.py` for a path, of a folder or of one GGUF."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path.expanduser().absolute()

    async def resolve(self) -> ModelVersion:
        """Reads every byte."""
        return await asyncio.to_thread(self._resolve)

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """A copy; raises `UnknownModel` when it is another version by now."""
        await asyncio.to_thread(self._pull, version, Path(folder), tell)

    def _resolve(self) -> ModelVersion:
        if not self._path.exists():
            raise UnknownModel(f"There is nothing at {self._path}.", hint="Check models.NAME.source.", param="model")
        try:
            files = tuple(self._file(path) for path in self._paths())
            config, card = (self._text(name) for name in (CONFIG, CARD))
        except PermissionError as error:
            raise PermissionDenied(
                f"{error.filename} may not be read.", hint="Check the rights of its files."
            ) from error
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be read: {error.strerror}.") from error
        if not any(each.format for each in files):
            raise UnknownModel(
                f"{self._path} holds no weights.", hint="Name the folder with the .safetensors or .gguf.", param="model"
            )
        return ModelVersion(
            self._name, str(self._path), "", digest_of(files), "", files,
            ancestry_of(card), shape_of(config), unserved=_UNSERVED,
        )  # fmt: skip

    def _paths(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        found = sorted(path for path in self._path.rglob("*") if path.is_file())
        return [path for path in found if not any(part.startswith(".") for part in path.relative_to(self._path).parts)]

    def _file(self, path: Path) -> ModelFile:
        below = path.name if path == self._path else path.relative_to(self._path).as_posix()
        with path.open("rb") as file:
            return ModelFile(below, path.stat().st_size, file_digest(file, "sha256").hexdigest())

    def _text(self, name: str) -> str | None:
        file = self._path / name
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None

    def _pull(self, version: ModelVersion, folder: Path, tell: Tell) -> None:
        now = self._resolve()
        if now.version != version.version:
            raise UnknownModel(
                f"{self._path} has changed since it was looked at.", hint="Pull it again.", param="model"
            )
        total, done = sum(each.size or 0 for each in now.files), 0
        for each in now.files:
            source = self._path if self._path.is_file() else self._path / each.path
            shutil.copyfile(source, place_in(folder, each.path))
            done += each.size or 0
            tell(done, total)
