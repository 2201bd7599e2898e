"""Readers never see half of a version: questions without end, while one version after another is promoted."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from component.qdrant_server import qdrant_server_url
from fakes.versions import Archive
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import IN_MEMORY, qdrant_vectors
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.errors import UnknownCollection
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.versions.gating import GatePolicy
from tandem.pipeline.versions.promoting import Policy
from tandem.ports.vectors import Vectors
from tandem.ports.versions import Promotion

ME = RequestContext("r")
DOCUMENTS = 6
READERS = 8
PROMOTIONS = 20
# Answers to wait for between two promotions: some begin before one and end after it.
ANSWERS = 16
WRITTEN = 30


@pytest.fixture(params=["edge", "in-memory", "server"])
async def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vectors]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "edge":
            yield await stack.enter_async_context(edge_vectors(tmp_path))
        elif request.param == "in-memory":
            yield await stack.enter_async_context(qdrant_vectors(IN_MEMORY))
        else:
            url = stack.enter_context(qdrant_server_url(tmp_path))
            key = os.environ.get("QDRANT_API_KEY") or None
            yield await stack.enter_async_context(qdrant_vectors(url, api_key=key))


class Readers:
    """Ask on and on; `mixed` and `failed` are what must not happen."""

    def __init__(self, archive: Archive, name: str) -> None:
        self._archive = archive
        self._options = RetrievalOptions(collection=name, top_k=8, explain=True, neighbours=1)
        self.answers = 0
        self.mixed: list[str] = []
        self.failed: list[str] = []
        self.seen: set[str] = set()
        self._more = asyncio.Condition()

    async def ask(self) -> None:
        while True:
            try:
                found = await self._archive.retrieving.retrieve("when does the harbour open", self._options, ME)
            except Exception as error:  # noqa: BLE001 - none must come
                self.failed.append(repr(error))
                return
            trace = found.trace
            assert trace is not None
            every = (*found.passages, *trace.dense, *trace.sparse, *trace.fused)
            marks = {word for passage in every for word in passage.chunk.text.split() if word.startswith("mark")}
            if marks != {f"mark{found.collection.partition('@')[2]}"} or not found.passages:
                self.mixed.append(f"{found.collection}: {sorted(marks)}")
            self.seen.add(found.collection)
            self.answers += 1
            async with self._more:
                self._more.notify_all()
            # A store in this very thread answers without ever letting go of it.
            await asyncio.sleep(0)

    async def until(self, answers: int) -> None:
        """`answers` more have come, or something went wrong."""
        wanted = self.answers + answers
        async with self._more:
            await self._more.wait_for(lambda: self.answers >= wanted or bool(self.failed))


async def fill(archive: Archive, version: str) -> None:
    mark = f"mark{version.partition('@')[2]}"
    for number in range(DOCUMENTS):
        parts = "\n\n".join(f"## Part {part}\n\nThe harbour opens {mark} says {number}." for part in range(3))
        raw = RawDocument(f"{number}.md", f"# Harbour {number} {mark}\n\n{parts}".encode(), f"{number}.md")
        await archive.ingesting.put(version, raw, ME)


async def test_no_question_fails_and_none_sees_two_versions(vectors: Vectors) -> None:
    name = f"h{uuid.uuid4().hex[:12]}"
    # Nothing is kept longer than it must be, so that dropping goes on as well.
    archive = Archive(vectors, SystemClock(), policy=Policy(keep_versions=1, keep_retired_s=0.5))
    try:
        await vectors.ensure_collection(name, archive.recipe)
        await fill(archive, f"{name}@1")
        for _ in range(2):
            build = await archive.versions.begin(name, ME)
            await fill(archive, build.version.name)
            await archive.versions.finish(build.version.name, ME)
        readers = Readers(archive, name)
        tasks = [asyncio.create_task(readers.ask()) for _ in range(READERS)]
        await readers.until(ANSWERS)
        for turn in range(PROMOTIONS):
            version = f"{name}@{2 + turn % 2}"
            assert (await archive.versions.promote(name, Promotion(version), ME)).name == version
            await readers.until(ANSWERS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (readers.failed, readers.mixed) == ([], [])
        assert readers.seen == {f"{name}@{number}" for number in (1, 2, 3)}
        assert readers.answers >= ANSWERS * (PROMOTIONS + 1)
        print(f"{readers.answers} answers over {PROMOTIONS} promotions: 0 failed, 0 mixed")
    finally:
        with contextlib.suppress(UnknownCollection):
            await vectors.drop_collection(name, ME.tenant)


async def test_what_is_written_while_versions_change_is_in_the_one_that_serves(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path) as vectors:
        # How many documents there are changes while they are counted.
        archive = Archive(vectors, SystemClock(), policy=Policy(GatePolicy(min_documents=0.0)))
        await vectors.ensure_collection("docs", archive.recipe)
        written: list[str] = []

        async def write() -> None:
            for number in range(WRITTEN):
                raw = RawDocument(f"{number}.md", f"Page {number}".encode(), f"{number}.md")
                await archive.ingesting.put("docs", raw, ME)
                written.append(raw.id)

        writing = asyncio.create_task(write())
        for _ in range(2):
            build = await archive.versions.begin("docs", ME)
            after: str | None = None
            while True:
                part = await archive.versions.carry(build.version.name, ME, after=after)
                after = part.next_after
                if after is None:
                    break
            await archive.versions.finish(build.version.name, ME)
            promoted = await archive.versions.promote("docs", Promotion(), replace(ME, request_id="p"))
            assert promoted.name == build.version.name
        await writing
        held = await vectors.documents("docs", ME.tenant, limit=100_000)
        assert set(written) == {record.id for record in held.records}
        assert len(written) == WRITTEN
