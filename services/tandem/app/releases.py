"""Releases as a part of a process: chosen for each question, measured, decided, and served to admins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from fastapi import APIRouter

from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.scoring import unseen
from tandem.app.settings import Settings
from tandem.app.surface import Surface
from tandem.app.templates import template_sources
from tandem.domain.context import RequestContext
from tandem.domain.errors import UnknownPrompt
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.release import Release
from tandem.http.routers.releases import releases_router
from tandem.observe.releases import ReleaseMetrics
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.releases.choosing import Chooser, Choosing, Unreleased
from tandem.pipeline.releases.desk import ReleaseDesk
from tandem.pipeline.releases.evidence import Evidence
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.pipeline.releases.keeping import Keeping
from tandem.pipeline.releases.shadowing import Heard, Shadowing
from tandem.pipeline.releases.unkept import UNKEPT_RELEASES
from tandem.ports.ingestor import Ingestor
from tandem.ports.releases import Releases
from tandem.ports.retriever import Retriever
from tandem.prompting.templates import Templates


@dataclass(frozen=True, slots=True)
class Released:
    """Who chooses, and the way to change what is chosen from."""

    chooser: Chooser
    router: APIRouter


@asynccontextmanager
async def released(
    settings: Settings,
    front: Surface,
    retriever: Retriever,
    ingestor: Ingestor,
    dispatch: Dispatch,
    store: Releases,
    evidence: Evidence,
) -> AsyncIterator[Released]:
    """While it is open this process follows what is released. Left, what it measured is in the store."""
    clock, templates = SystemClock(), Templates(template_sources(settings.prompts_dir))

    golden = GoldenAsking(front.answering(retriever, dispatch, remembers=False).by, settings.retrieval.collection)
    desk = ReleaseDesk(store, ingestor.versions, clock, templates.known, dispatch.pools, golden)
    router = releases_router(desk)
    if store is UNKEPT_RELEASES:
        # Asked for, they say what is missing.
        yield Released(Unreleased(), router)
        return
    meter, heard = ReleaseMetrics(front.metrics), Heard(unseen(settings), evidence.shadowed)

    unseen_answers = front.answering(retriever, dispatch, monitor=heard, remembers=False)
    shadowing = Shadowing(unseen_answers.by, clock, meter, timeout_s=settings.server.request_timeout_s)

    def fault(release: Release) -> str | None:
        """Of one that was made where there is more than here, or before the configuration was changed."""
        missing = [pool for pool in release.pools if pool not in dispatch.pools]
        if missing:
            return f"no pool {missing[0]}"
        try:
            templates.known(release.prompt or settings.prompt)
        except UnknownPrompt as error:
            return error.message
        return None

    choosing = Choosing(fault, dispatch.allows, shadowing.begin)
    keeping = Keeping(store, desk, choosing, evidence, meter, _context)
    await keeping.look()
    try:
        async with beside([keeping.looking(), keeping.tending()]):
            yield Released(choosing, router)
    finally:
        await shadowing.stop()
        await heard.settled()
        await keeping.last()


def _context() -> RequestContext:
    """Nobody asked for it: collections are promoted with all that is in them."""
    return RequestContext(f"release-{uuid4().hex}", groups=(EVERY_GROUP,))
