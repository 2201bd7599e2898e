"""Golden questions put to a model on Kubernetes, through the retrieval of this configuration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tandem.adapters.evaluations.results import Results
from tandem.app.pulling import as_folder
from tandem.app.settings import Settings
from tandem.app.traffic import Endpoint, Pool
from tandem.cli.console import err
from tandem.cli.evaluation import measured
from tandem.cli.evaluation_sides import Request, Side
from tandem.domain.errors import VersionConflict
from tandem.pipeline.evaluation.run import Run

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster

_PORT = 80


@dataclass(frozen=True, slots=True)
class Subject:
    """A model behind an InferenceService. `pool` is the one of the configuration that is like it, `url` where it is, when not where
    KServe puts it. `tells`: its engine tells which version it serves.
    """

    service: str
    name: str
    version: str
    pool: str | None
    url: str | None
    tells: bool


@dataclass(frozen=True, slots=True)
class _Pinned(Side):
    """One whose settings are made already."""

    settings_made: Settings

    def load(self) -> Settings:
        """Those."""
        return self.settings_made


async def measure(
    cluster: "Cluster", subject: Subject, settings: Settings, questions: Path, results: Path, *, concurrency: int
) -> Run:
    """The run on all of the questions, as one of that version. Raises `VersionConflict` when another version answered."""
    folder = results / subject.name / as_folder(subject.version)
    request = Request(questions, None, answers=True, limit=None, seed=0, concurrency=concurrency, results=folder)
    async with _at(cluster, subject) as url:
        err.print(f"Asking {subject.name}@{subject.version} at {url}.", markup=False)
        asked = _asking(settings, url, subject.pool)
        side = _Pinned("a", None, (), settings.retrieval.collection, None, None, asked)
        run = (await measured(request, side, None)).first.run
    others = [each for each in run.models if each.rpartition("@")[2] != subject.version]
    if subject.tells and others:
        raise VersionConflict(
            f"{subject.service} answered as {', '.join(others)}, not as {subject.name}@{subject.version}.",
            hint="Somebody may have changed it meanwhile: run this again.",
        )
    return relabelled(run, subject)


def earlier(subject: Subject, like: Run, results: Path) -> Run | None:
    """The newest run of that version on the same questions over the same collections and prompts, if it is kept."""
    runs = Results(results / subject.name / as_folder(subject.version)).runs(like.set_hash)
    able = [
        run
        for run in runs
        if run.answers
        and run.limit is None
        and (run.collections, run.prompts, run.judge) == (like.collections, like.prompts, like.judge)
    ]
    newest = max(able, key=lambda run: run.at_s, default=None)
    return None if newest is None else relabelled(newest, subject)


def relabelled(run: Run, subject: Subject) -> Run:
    """By the version that was deployed there, which not every engine tells."""
    return replace(run, models=(f"{subject.name}@{subject.version}",))


def failed(run: Run) -> int:
    """Questions that came to no answer."""
    return int(sum(run.figures.get("failed", {}).values()))


def _asking(settings: Settings, url: str, pool: str | None) -> Settings:
    """With that server alone, in the place of the pool that is like it, so that residency and names stay right."""
    if not settings.pools:
        return settings.model_copy(update={"predictor": settings.predictor.model_copy(update={"url": url})})
    mould = next((each for each in settings.pools if each.name == pool), None) or _first(settings.pools)
    endpoint: Endpoint = mould.endpoints[0].model_copy(update={"url": url})
    alone = mould.model_copy(update={"endpoints": (endpoint,), "answers": True})
    return settings.model_copy(update={"pools": (alone,)})


def _first(pools: tuple[Pool, ...]) -> Pool:
    return next(each for each in pools if each.answers)


@asynccontextmanager
async def _at(cluster: "Cluster", subject: Subject) -> AsyncIterator[str]:
    """From a pod by its Service's name, from elsewhere through a port of this machine."""
    from tandem.platform.places import Place
    from tandem.platform.tunnels import tunnels

    service = f"{subject.service}-predictor"
    if subject.url is not None:
        yield subject.url
    elif not cluster.context:
        yield f"http://{service}.{cluster.namespace}.svc.cluster.local"
    else:
        async with tunnels(cluster, [Place("predictor", cluster.namespace, service, _PORT, 0)], {}) as made:
            yield made.all[0].url
