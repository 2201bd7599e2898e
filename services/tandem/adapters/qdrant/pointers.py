"""Which version each collection's name stands for in the embedded store: one file, there whole or as it was before."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.adapters.qdrant.files import write_aside
from tandem.adapters.qdrant.recipes import FILE as RECIPE
from tandem.domain.errors import StoreMismatch, VersionConflict
from tandem.domain.lineage import base_of, is_version, number_of, valid_base, version_named

FILE = "aliases.json"


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    serving: dict[str, str]


class Pointers:
    """`serving`: version by collection, as the file says. Every call but reading `serving` blocks."""

    def __init__(self, root: Path) -> None:
        """Raises `StoreMismatch` when the file cannot be understood."""
        self._root = root
        # One whose version is gone stands for nothing.
        whole = {folder.name for folder in _collections(root)}
        self.serving: Mapping[str, str] = {
            base: version for base, version in _read(root).items() if version in whole or base in whole
        }
        for base in sorted(folder.name for folder in _collections(root) if valid_base(folder.name)):
            self._adopt(base)

    def _adopt(self, base: str) -> None:
        """A collection from before there were versions becomes the first one. The pointer goes first: until the folder
        has its new name nothing else has changed, and the next start goes on here.
        """
        taken = {number_of(folder.name) for folder in _collections(self._root) if is_version(folder.name)
                 and base_of(folder.name) == base}  # fmt: skip
        version = version_named(base, max(taken, default=0) + 1)
        if base not in self.serving:
            self.point(base, version)
        # What a crash left of a version that never came to be.
        shutil.rmtree(self._root / version, ignore_errors=True)
        (self._root / base).rename(self._root / version)

    def check(self, base: str, instead_of: str | None) -> None:
        """Raises `VersionConflict` when the name does not stand for `instead_of`."""
        check_serving(base, self.serving.get(base), instead_of)

    def point(self, base: str, version: str) -> None:
        """On the disk first, then in memory."""
        self._replace({**self.serving, base: version})

    def withdraw(self, base: str) -> None:
        """The name stands for nothing any more."""
        self._replace({name: version for name, version in self.serving.items() if name != base})

    def _replace(self, serving: Mapping[str, str]) -> None:
        write_aside(self._root / FILE, _Wire(serving=dict(sorted(serving.items()))).model_dump_json(indent=2) + "\n")
        self.serving = serving


def check_serving(base: str, serving: str | None, instead_of: str | None) -> None:
    """Raises `VersionConflict` when somebody else was faster."""
    if serving != instead_of:
        raise VersionConflict(
            f"{base} stands for {serving or 'no version'} now, no longer for {instead_of or 'none'}.",
            hint="Somebody else promoted or rolled back meanwhile; look at `tandem collections versions` first.",
            param="collection",
        )


def _collections(root: Path) -> list[Path]:
    return [file.parent for file in root.glob(f"*/{RECIPE}")]


def _read(root: Path) -> dict[str, str]:
    try:
        text = (root / FILE).read_bytes()
    except FileNotFoundError:
        return {}
    try:
        return dict(_Wire.model_validate_json(text).serving)
    except ValidationError as error:
        raise StoreMismatch(
            f"{root / FILE} cannot be understood.",
            hint='Restore it: {"serving": {"NAME": "NAME@N"}}, one entry per collection.',
        ) from error
