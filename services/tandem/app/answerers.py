"""Whoever answers questions, as parts of a process: the same behind the HTTP API and behind a queue."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from tandem.admission.quotas import Quotas
from tandem.app import caching, entry, parts, pools
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.duties import duties
from tandem.app.kept import Kept, kept
from tandem.app.monitored import monitor
from tandem.app.naming import own_name
from tandem.app.private import privacy
from tandem.app.questions import watched_questions
from tandem.app.releases import released
from tandem.app.scoring import judging, scoring
from tandem.app.settings import Settings
from tandem.app.surface import Surface
from tandem.observe.generator import MeasuredGenerator
from tandem.observe.traffic import PoolGauges, TrafficMetrics
from tandem.pipeline.answering import Answering
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.releases.evidence import Evidence
from tandem.pipeline.yielding_elsewhere import YieldingElsewhere
from tandem.ports.embedder import Embedder
from tandem.ports.generator import Generator
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever


@dataclass(frozen=True, slots=True)
class Answerers:
    """`routers` serve what the process owes to those whose answers it keeps."""

    dense: parts.Opener[Embedder]
    retriever: Retriever
    ingestor: Ingestor
    dispatch: Dispatch
    quotas: Quotas
    keeping: Kept
    answering: Answering
    routers: Sequence[APIRouter]


@asynccontextmanager
async def answerers(settings: Settings, front: Surface) -> AsyncIterator[Answerers]:
    """Left, every answer's record is on the disk."""

    def measured(model: Generator) -> Generator:
        return MeasuredGenerator(model, front.metrics)

    private, evidence = privacy(settings, front.metrics), Evidence()
    async with (
        parts.shared(parts.embedder(settings)) as dense,
        watched_questions(settings, front.metrics) as watched,
        parts.features(settings, dense, caching.retrieval(settings.cache, front.metrics), watched) as (
            retriever,
            ingestor,
        ),
        pools.dispatch(settings, dense, TrafficMetrics(front.metrics), measured) as dispatch,
        entry.quotas(settings, front.metrics) as quotas,
        kept(settings, private.clean.user) as keeping,
        duties(settings, private, keeping, evidence.heard) as owed,
        # Left behind the monitor, which hands the last records on.
        released(settings, front, retriever, ingestor, dispatch, keeping.stores.releases, evidence) as releases,
        monitor(
            settings,
            front.metrics,
            # Measured while it has its texts, then cleaned; what comes after sees what is written.
            prepare=[*scoring(settings, front.metrics), evidence, private.clean, *keeping.steps],
            beside=[*keeping.sinks, *judging(settings, dispatch, keeping.stores.receipts, front.metrics)],
            around=owed.around,
            retrieves=parts.retrieves(settings),
        ) as told,
    ):
        front.metrics.registry.register(PoolGauges(dispatch.load))
        answering = front.answering(retriever, dispatch, quotas, keeping.monitor(told), releases.chooser)
        routers = [*owed.routers, releases.router]
        yielding = YieldingElsewhere(dispatch.gates, keeping.stores.demand, SystemClock(), process=own_name())
        async with beside([yielding.run()]):
            yield Answerers(dense, retriever, ingestor, dispatch, quotas, keeping, answering, routers)
