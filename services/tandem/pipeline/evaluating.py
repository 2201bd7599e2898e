"""A labelled set through the real pipeline: ingest its corpus, ask its questions, some at a time, keep what comes of each."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.pipeline.evaluation.rows import Row
from tandem.ports.ingestor import Ingestor
from tandem.retrieval.labelled import LabelledSet

COLLECTION = "evaluation"
# So many questions in a row that come to nothing say that the others will not either.
_FAILURES = 5
# What may be different the next time; anything else would fail for every question and ends the run.
_PASSING = (UpstreamFailed, UpstreamUnavailable, DeadlineExceeded, Overloaded)
Tell = Callable[[str, int, int], None]
Keep = Callable[[Row], None]


class Asks(Protocol):
    """`evaluation/asking.py` is one."""

    def blank(self, query: str) -> Row:
        """The question with this id, before it is asked."""
        ...

    async def row(self, query: str) -> Row:
        """What it comes to."""
        ...


async def fill(labelled: LabelledSet, ingestor: Ingestor, context: RequestContext, tell: Tell) -> None:
    """The corpus, into the collection of evaluations. `tell(what, done, total)` is called as it goes on."""
    for done, document in enumerate(labelled.documents, 1):
        text = f"# {document.title}\n\n{document.text}" if document.title else document.text
        # An id of its own: what a labelled set calls its documents may be no document id here.
        raw = RawDocument(
            _named(done - 1),
            text.encode(),
            source=f"{labelled.name}/{document.id}",
            media_type="text/markdown",
            title=document.title or None,
        )
        await ingestor.put(COLLECTION, raw, context)
        tell("ingesting", done, len(labelled.documents))
    await ingestor.settle(COLLECTION)


def names(labelled: LabelledSet) -> dict[str, str]:
    """The set's own ids by those that `fill` gave its documents."""
    return {_named(index): document.id for index, document in enumerate(labelled.documents)}


def sample(labelled: LabelledSet, limit: int | None, seed: int) -> LabelledSet:
    """At most `limit` of its questions, drawn at random, in the set's order. Equal seeds draw the same ones.

    Raises `InvalidRequest` for a set that judges none of its questions.
    """
    if not labelled.qrels:
        raise InvalidRequest(f"The set {labelled.name} judges no question.", hint="qrels/*.tsv holds the judgements.")
    if limit is None or limit >= len(labelled.queries):
        return labelled
    # A sample, no secret.
    drawn = set(random.Random(seed).sample(list(labelled.queries), limit))  # noqa: S311
    return labelled.only([query for query in labelled.queries if query in drawn])


async def evaluate(
    labelled: LabelledSet, asks: Asks, known: Mapping[str, Row], keep: Keep, tell: Tell, *, concurrency: int = 1
) -> list[Row]:
    """The rows in the order of the set's questions. Those that are `known` are not asked again; `keep` gets each new one.

    A question that failed is not kept: the next run asks it again. Raises the failure when several questions in a row, or
    all of them, come to nothing, and what cannot be different the next time, such as `UnknownCollection`, at once.
    """
    rows = {query: known[query] for query in labelled.queries if query in known}
    queries = iter([query for query in labelled.queries if query not in rows])
    failures: list[TandemError] = []

    async def work() -> None:
        for query in queries:
            try:
                rows[query] = await asks.row(query)
            except _PASSING as error:
                rows[query] = replace(asks.blank(query), failed=error.code)
                failures.append(error)
                if len(failures) >= _FAILURES:
                    raise
            else:
                failures.clear()
                keep(rows[query])
            tell("asking", len(rows), len(labelled.queries))

    await _side_by_side(work, concurrency)
    if failures and all(row.failed for row in rows.values()):
        raise failures[-1]
    return [rows[query] for query in labelled.queries]


async def _side_by_side(work: Callable[[], Coroutine[None, None, None]], concurrency: int) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except ExceptionGroup as failed:
        # One failure, told as itself: the command line prints errors, not groups of them.
        raise next(_leaves(failed)) from failed


def _leaves(group: BaseException) -> Iterator[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        for each in group.exceptions:
            yield from _leaves(each)
    else:
        yield group


def _named(index: int) -> str:
    return f"document-{index}"
