"""`tandem conformance`."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.pipeline.conformance.suite import CHECKS, Outcome, conform

_COLOURS = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


class Spoken(StrEnum):
    """What the server speaks."""

    tgi = "tgi"
    openai = "openai"


def conformance(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's root, e.g. http://127.0.0.1:8080.")],
    protocol: Annotated[Spoken, typer.Option("--protocol", help="What it speaks.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="The name to ask for.", show_default="tgi, or the first that the server lists"),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option("--api-key-env", metavar="VAR", help="Environment variable that holds the server's API key."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK", help="Run this check only; may be given again.", show_default="all"),
    ] = None,
    streams: Annotated[int, typer.Option("--streams", min=1, help="Most streams to open at once.")] = 32,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that one check may take.")] = 60.0,
    output: OutputOption = Output.table,
) -> None:
    """Check whether a TGI or an OpenAI-compatible server does what Tandem needs; exit code 1 when a check fails.

    Short answers are generated and some streams left early: a few seconds of the server's work.
    """
    _check_usage(url, only)
    outcomes = run(_conformance(url, protocol, model, api_key_env, only or list(CHECKS), streams, timeout_s, output))
    if output is Output.json:
        print_json({"url": url, "protocol": protocol.value, "checks": [asdict(outcome) for outcome in outcomes]})
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in _COLOURS}
    err.print(", ".join(f"{count} {status}" for status, count in counts.items()))
    raise typer.Exit(1 if counts["failed"] else 0)


async def _conformance(
    url: str,
    protocol: Spoken,
    model: str | None,
    api_key_env: str | None,
    checks: list[str],
    streams: int,
    timeout_s: float,
    output: Output,
) -> list[Outcome]:
    from tandem.app.conformance import remote_subject
    from tandem.app.secret import secret_of

    key = None if api_key_env is None else secret_of(api_key_env)
    outcomes = []
    async with remote_subject(
        url, protocol.value, model=model, api_key=key, streams=streams, token_timeout_s=timeout_s
    ) as subject:
        async for outcome in conform(subject, checks, timeout_s=timeout_s):
            outcomes.append(outcome)
            if output is Output.table:
                _print(outcome)
    return outcomes


def _print(outcome: Outcome) -> None:
    out.print(f"[{_COLOURS[outcome.status]}]{outcome.status:8}[/]{outcome.check:14}", end="")
    out.print(outcome.seen, markup=False)


def _check_usage(url: str, only: list[str] | None) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter("an address such as http://127.0.0.1:8080 is needed", param_hint="URL")
    if unknown := sorted(set(only or ()) - set(CHECKS)):
        raise typer.BadParameter(f"no check {', '.join(unknown)}; there are {', '.join(CHECKS)}", param_hint="--only")
