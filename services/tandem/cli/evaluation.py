"""Measuring for `tandem eval`: one side or two, each from its questions to its rows, kept as they come."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tandem.adapters.evaluations.results import Results
from tandem.adapters.sources.beir import read_labelled
from tandem.adapters.sources.golden import GOLDEN, read_golden
from tandem.app.clock import SystemClock
from tandem.app.evaluation import VERSION, Subject, local_subject, remote_subject
from tandem.app.settings import Settings
from tandem.cli import session
from tandem.cli.console import err
from tandem.cli.evaluation_sides import Request, Side, differences, fingerprint, same_index
from tandem.cli.progress import step_progress
from tandem.domain.errors import InvalidRequest
from tandem.pipeline.evaluating import COLLECTION, Tell, evaluate, fill, names, sample
from tandem.pipeline.evaluation.asking import Asking
from tandem.pipeline.evaluation.comparison import compare
from tandem.pipeline.evaluation.outcome import Measured, Outcome
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.run import Run, digest, set_hash
from tandem.pipeline.evaluation.summary import summarise
from tandem.retrieval.labelled import LabelledSet

_IN_PROCESS = "in process"


async def measured(request: Request, first: Side, second: Side | None) -> Outcome:
    """Both sides, one after the other. Raises the errors of the set, the settings, and what is asked."""
    with ExitStack() as stack:
        scratch = request.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-eval-")))
        labelled = sample(_read(request.folder, first, second), request.limit, request.seed)
        settings = first.load()
        theirs = None if second is None else second.load()
        history, before = _earlier(request, first, labelled)
        one = await _measured(request, first, settings, labelled, scratch, filled=False)
        if second is None or theirs is None:
            return Outcome(one, history=history, before=before)
        # What is ingested alike is ingested once.
        alike = first.ingests and second.ingests and same_index(settings, theirs)
        other = await _measured(
            request, second, theirs, labelled, scratch if alike else scratch / "against", filled=alike
        )
        differs = differences(first, second, (settings, theirs))
        return Outcome(one, other, compare(one.rows, other.rows), differs, history, before)


def _read(path: Path, first: Side, second: Side | None) -> LabelledSet:
    if not (first.ingests or (second is not None and second.ingests)):
        return read_golden(path)
    if path.is_file() or (path / GOLDEN).is_file():
        raise InvalidRequest(
            f"{path} brings no documents to ask.", hint="Name a collection (--collection) or a running Tandem (--url)."
        )
    return read_labelled(path)


async def _measured(
    request: Request, side: Side, settings: Settings, labelled: LabelledSet, place: Path, *, filled: bool
) -> Measured:
    with step_progress() as tell:
        async with _subject(request, side, settings, place) as subject:
            context = session.context()
            if side.ingests and not filled:
                await fill(labelled, subject.ingestor, context, tell)
            asking = Asking(
                labelled,
                subject.retriever,
                subject.serve,
                subject.judge,
                context,
                COLLECTION if side.ingests else side.collection or settings.retrieval.collection,
                names(labelled) if side.ingests else {},
            )
            key = _key(request, side, settings, labelled, subject.judge.name)
            rows = await _rows(request, asking, key, tell)
    evaluation = summarise(labelled, rows)
    run = _run(request, side, settings, labelled, rows, subject.judge.name, key)
    run = replace(run, figures=evaluation.body())
    if request.results is not None:
        Results(request.results).finish(run, rows, key)
    return Measured(run, evaluation, rows)


@asynccontextmanager
async def _subject(request: Request, side: Side, settings: Settings, place: Path) -> AsyncIterator[Subject]:
    if side.url is not None:
        async with remote_subject(settings, side.url, side.api_key, answers=request.answers) as far:
            yield far
        return
    near = settings.model_copy(update={"data_dir": place}) if side.ingests else settings
    async with local_subject(near, answers=request.answers) as here:
        yield here


async def _rows(request: Request, asking: Asking, key: str, tell: Tell) -> list[Row]:
    if request.results is None:
        return await evaluate(asking.labelled, asking, {}, _no_keeping, tell, concurrency=request.concurrency)
    results = Results(request.results)
    known, new = await _known(results, asking, key)
    with results.keeping(key) as keep:
        for row in new:
            keep(row)
        return await evaluate(asking.labelled, asking, known, keep, tell, concurrency=request.concurrency)


async def _known(results: Results, asking: Asking, key: str) -> tuple[dict[str, Row], tuple[Row, ...]]:
    """What an interrupted run found out, unless what it asked has become another collection since; and the new one of these
    rows, by which that was seen.
    """
    known = {query: row for query, row in results.unfinished(key).items() if query in asking.labelled.queries}
    left = [query for query in asking.labelled.queries if query not in known]
    if not known or not left:
        return known, ()
    now = await asking.row(left[0])
    if any(row.collection != now.collection for row in known.values()):
        results.forget(key)
        err.print("The collection has changed since an earlier run was interrupted: all questions are asked again.")
        return {now.question: now}, (now,)
    err.print(f"Going on with an interrupted run: {len(known)} of {len(asking.labelled.queries)} questions are done.")
    return known | {now.question: now}, (now,)


def _no_keeping(_: Row) -> None:
    """Without a folder nothing is kept."""


def _earlier(request: Request, side: Side, labelled: LabelledSet) -> tuple[tuple[Run, ...], tuple[Row, ...]]:
    """Runs over the same questions of the same subject, and the questions of the last one."""
    if request.results is None:
        return (), ()
    results = Results(request.results)
    subject = side.url or _IN_PROCESS
    runs = tuple(run for run in results.runs(set_hash(labelled)) if (run.subject, run.side) == (subject, "a"))
    return runs, tuple(results.rows(runs[-1])) if runs else ()


def _key(request: Request, side: Side, settings: Settings, labelled: LabelledSet, judge: str) -> str:
    """Equal for runs that would come to the same."""
    return digest(
        [set_hash(labelled), fingerprint(settings), side.url, side.collection, request.answers, judge, VERSION]
    )


def _run(
    request: Request, side: Side, settings: Settings, labelled: LabelledSet, rows: list[Row], judge: str, key: str
) -> Run:
    now_s = SystemClock().epoch_s()
    return Run(
        id=f"{datetime.fromtimestamp(now_s, UTC):%Y%m%dT%H%M%SZ}-{side.label}-{key[:8]}",
        side=side.label,
        at_s=round(now_s, 3),
        tandem=VERSION,
        subject=side.url or _IN_PROCESS,
        config="" if side.url else fingerprint(settings),
        set_name=labelled.name,
        set_hash=set_hash(labelled),
        questions=len(rows),
        limit=request.limit,
        seed=request.seed,
        answers=request.answers,
        judge=judge if request.answers else "",
        collections=_distinct(row.collection for row in rows),
        prompts=_distinct(row.prompt for row in rows),
        models=_distinct(row.model for row in rows),
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
