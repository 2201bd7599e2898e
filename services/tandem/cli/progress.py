"""How long work shows itself: a bar on a terminal, a line now and then elsewhere; the report at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tandem.cli.console import err
from tandem.domain.document import IngestStatus
from tandem.ingestion.progress import Indexing, Listed, Settled, SyncEvent, SyncReport
from tandem.pipeline.syncing import Watch

_STATUSES: tuple[IngestStatus, ...] = ("added", "updated", "unchanged", "removed", "failed")
_SHOWN_FAILURES = 20
_LINE_EVERY_S = 3.0


@contextmanager
def sync_progress(*, lines: bool = False) -> Iterator[Watch]:
    """A watcher for `sync`. The bar goes to stderr and only to a terminal; with `lines`, a line now and then elsewhere."""
    if lines and not err.is_terminal:
        yield _Lines()
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task("reading", total=None)

        def watch(event: SyncEvent) -> None:
            match event:
                case Listed(documents=documents):
                    bar.update(task, description="ingesting", total=documents)
                case Settled(outcome=outcome, done=done):
                    bar.update(task, completed=done)
                    if outcome.status == "failed":
                        bar.console.print(
                            f"failed  {outcome.document_id}: {outcome.message}", style="yellow", markup=False
                        )
                case Indexing():
                    bar.update(task, description="indexing")

        yield watch


class _Lines:
    """How far it has come, every few seconds: the last line of a log says it."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, event: SyncEvent) -> None:
        match event:
            case Listed(documents=documents):
                err.print(f"{documents} documents")
            case Settled(done=done, total=total) if time.monotonic() - self._told_s > _LINE_EVERY_S:
                self._told_s = time.monotonic()
                err.print(f"{done} of {total} documents")


def report_line(report: SyncReport) -> str:
    """`added 3, unchanged 41 (212 chunks)`; statuses that did not occur are left out."""
    counts = [f"{status} {report.count(status)}" for status in _STATUSES if report.count(status)]
    return f"{', '.join(counts) or 'nothing to ingest'} ({report.chunks} chunks)"


def report_failures(report: SyncReport) -> None:
    """Each failed document with its reason, on stderr, where no bar has told it already."""
    if err.is_terminal:
        return
    for outcome in report.failed[:_SHOWN_FAILURES]:
        err.print(f"failed  {outcome.document_id}: {outcome.reason}: {outcome.message}", markup=False)
    if len(report.failed) > _SHOWN_FAILURES:
        err.print(f"… and {len(report.failed) - _SHOWN_FAILURES} more; -o json lists all")


@contextmanager
def step_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A watcher for `tell(what, done, total)`, on a terminal only."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
