"""What `tandem serve` tells the person at the terminal."""

import logging
import shlex
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from tandem.cli.console import err, out
from tandem.cli.options import DEFAULT_URL
from tandem.cli.progress import report_failures, report_line, sync_progress
from tandem.ingestion.progress import SyncReport
from tandem.pipeline.syncing import Watch

_log = logging.getLogger("tandem.serve")
_QUESTION = "How do I add my own documents?"


class StartUp:
    """`app/serve.py`'s `Announce` on a terminal: progress to stderr, what to do next to stdout."""

    def ingesting(self) -> AbstractContextManager[Watch]:
        """A progress bar."""
        return sync_progress()

    def ingested(self, report: SyncReport) -> None:
        """One line, and the failures."""
        report_failures(report)
        err.print(f"documents: {report_line(report)}", markup=False)

    def ready(self, target: str, url: str, model: str | None) -> None:
        """Where the page is, and two lines to paste."""
        if target not in {"all", "gateway"}:
            out.print(f"tandem {target} is ready on {url}", markup=False)
            return
        body = f'{{"model":"tandem","messages":[{{"role":"user","content":"{_QUESTION}"}}]}}'
        curl = f"curl -s {url}/v1/chat/completions -H 'content-type: application/json' -d {shlex.quote(body)}"
        ask = f"{_command()} ask {shlex.quote(_QUESTION)}" + ("" if url == DEFAULT_URL else f" --url {url}")
        out.print("\n[bold]Tandem is ready.[/] Ctrl-C stops it.\n")
        for name, value in (("page", url), ("model", model or "-"), ("curl", curl), ("ask", ask)):
            out.print(f"  {name:6} {value}", markup=False)
        out.print()

    def draining(self) -> None:
        """A word, so that nobody presses Ctrl-C twice without need. A log line: a stuck terminal must not hold the end up."""
        _log.info("stopping: running requests may finish; Ctrl-C again stops at once")


def _command() -> str:
    """How this very `tandem` can be called from here."""
    called = Path(sys.argv[0]).absolute()
    here = Path.cwd()
    return str(called.relative_to(here)) if called.is_relative_to(here) else str(called)
