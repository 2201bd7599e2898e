"""What `tandem eval` is asked to measure: the set, and one side or two."""

from dataclasses import dataclass
from pathlib import Path

from tandem.app.features import Vectors
from tandem.app.settings import RetrieverPeer, Settings, load_settings
from tandem.cli import session
from tandem.cli.overrides import differing, overrides
from tandem.pipeline.evaluation.run import digest

# They change nothing that is measured.
_UNMEASURED = {"data_dir", "server", "retriever", "log", "auth", "quotas", "tenants", "default_tenant", "models"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured on either side."""

    folder: Path
    keep: Path | None
    answers: bool
    limit: int | None
    seed: int
    concurrency: int
    results: Path | None


@dataclass(frozen=True, slots=True)
class Side:
    """Who is asked: with `url` a running Tandem, with `collection` one that exists already, else the set's own documents."""

    label: str
    config: Path | None
    settings: tuple[str, ...]
    collection: str | None
    url: str | None
    api_key: str | None

    @property
    def ingests(self) -> bool:
        """True when the set's documents are taken in first."""
        return self.url is None and self.collection is None

    def load(self) -> Settings:
        """Its configuration with what the command line sets. Raises `ConfigurationError`."""
        told = overrides(self.settings)
        if self.url is not None:
            return load_settings(self.config, **told)
        if not self.ingests:
            # A store that is being served is asked through the process that serves it.
            place = told.pop("data_dir", None)
            return session.settings_for(self.config, None if place is None else Path(str(place)), None, None, **told)
        # Always in an embedded store of its own: a labelled set has no place on a server that serves people.
        own = {"vectors": Vectors(), "retriever": RetrieverPeer()}
        return load_settings(self.config, **told).model_copy(update=own)


def fingerprint(settings: Settings) -> str:
    """A hash of every setting that may change a figure."""
    return digest(settings.model_dump(mode="json", exclude=_UNMEASURED))


def same_index(one: Settings, other: Settings) -> bool:
    """True when both make the same of a document."""
    return (one.embedder, one.ingestion) == (other.embedder, other.ingestion)


def differences(first: Side, second: Side, loaded: tuple[Settings, Settings]) -> tuple[str, ...]:
    """What the second has otherwise, for people."""
    told = [
        f"{name}: {getattr(first, name) or 'none'} → {getattr(second, name) or 'none'}"
        for name in ("url", "collection")
        if getattr(first, name) != getattr(second, name)
    ]
    return (*told, *differing(*loaded))
