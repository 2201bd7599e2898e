"""Where models are kept: a hub, a folder, a bucket, an image registry, a tracking server."""

from collections.abc import Callable
from typing import Protocol

from tandem.domain.model_version import ModelVersion

# Bytes that have come, and how many there are to come (None: not known).
Tell = Callable[[int, int | None], None]


class ModelSource(Protocol):
    """One model at its place. All raise `UpstreamUnavailable` when the place does not answer, and `ConfigurationError` when
    it is named wrongly.
    """

    async def resolve(self) -> ModelVersion:
        """What the name stands for now: an immutable version, its files, what it was made from.

        Raises `UnknownModel` for a model or a revision that does not exist, and `PermissionDenied`, with the reason, for
        one that may not be read with the credentials that this process has.
        """
        ...

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """Bring the files of that version into an existing folder. What lies there from an earlier try may be used."""
        ...
