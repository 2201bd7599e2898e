"""Everything that is state here, as parts of a backup."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tandem.app import parts
from tandem.app.clock import SystemClock
from tandem.app.kept import anything_kept, unchecked_database
from tandem.app.settings import Settings
from tandem.app.surface import VERSION
from tandem.domain.errors import ConfigurationError
from tandem.ports.backup import BackupTold, Part, Tell
from tandem.ports.copying import Copied

if TYPE_CHECKING:
    from tandem.adapters.backup.collections import Embedding

# The key of users' aliases, and the questions that those of today are compared with. All else in the folder is a part of its
# own, or can be had again.
_FILES = ("user.key", "questions.npz")


def untold(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class OwnBackups:
    """`ports/backup.py`'s `Backups` over this vector store, and what else these settings name. `tell` hears how far it is."""

    settings: Settings
    store: Copied
    tell: Tell = untold

    async def taken(self) -> AsyncIterator[bytes]:
        """See the port. What waits is read before what it becomes: nothing is in neither."""
        from tandem.adapters.backup.archive import taken

        now = SystemClock().epoch_s()
        async for piece in taken(_parts(self.settings, self.store, now), self.tell, tandem=VERSION, now=now):
            yield piece

    async def restored(self, content: AsyncIterator[bytes], *, replace: bool) -> BackupTold:
        """See the port."""
        from tandem.adapters.backup.archive import restored

        own = _parts(self.settings, self.store, SystemClock().epoch_s())
        return await restored(own, content, self.tell, replace=replace)


def check_apart(settings: Settings) -> None:
    """Raises `ConfigurationError` where the documents are a peer's."""
    if not parts.retrieves(settings):
        raise ConfigurationError(
            "The retriever has the documents of this configuration.",
            hint="Stop it, and run the command where its data_dir lies, with its configuration.",
        )


def check_anything(settings: Settings) -> None:
    """Raises `ConfigurationError` where nothing was ever kept."""
    if not parts.documents_kept(settings) and not anything_kept(settings):
        raise ConfigurationError(
            f"There is nothing to back up in {settings.data_dir}.",
            hint="Name the --data-dir or --config that it serves with.",
        )


def _parts(settings: Settings, store: Copied, now: float) -> Sequence[Part]:
    from tandem.adapters.backup.collections import CollectionsPart
    from tandem.adapters.backup.files import FilesPart
    from tandem.adapters.spool.part import SpoolPart
    from tandem.adapters.state.part import StatePart

    return (
        FilesPart(settings.data_dir, _FILES),
        SpoolPart(settings.monitor.spool.dir or settings.data_dir / "monitor"),
        StatePart(
            partial(unchecked_database, settings),
            there=anything_kept(settings),
            tandem=VERSION,
            now=now,
        ),
        CollectionsPart(store, partial(_embedding, settings)),
    )


async def _embedding(settings: Settings) -> "Embedding":
    from tandem.adapters.backup.collections import Embedding
    from tandem.adapters.embeddings.bm25 import Bm25Embedder

    async with parts.embedder(settings) as dense:
        sparse = Bm25Embedder(language=settings.embedder.sparse_language)
        return Embedding(dense.card.name, dense.card.dimensions, sparse.name)
