"""`tandem jobs submit|get|list|cancel|secret`."""

import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, print_table, run
from tandem.cli.instants import Instant, instant
from tandem.cli.lineage_shown import when
from tandem.cli.options import DEFAULT_URL, ApiKeyOption, CollectionOption, ConfigOption, UrlOption
from tandem.domain.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from tandem.adapters.remote.jobs import RemoteJobs

app = typer.Typer(help="Ask questions that are answered later.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job, job-…")]
WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Until it has ended; exit code 1 unless it succeeded.")]
_PAGE = 200


class Priority(StrEnum):
    """Who goes first among the tenant's own jobs."""

    low = "low"
    normal = "normal"
    high = "high"


class Status(StrEnum):
    """How far a job is."""

    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"


@app.command()
def submit(
    question: Annotated[str, typer.Argument(help="The question, or - for a chat request as JSON on standard input.")],
    collection: CollectionOption = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Prompt template, name@version.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer.")] = None,
    priority: Annotated[Priority, typer.Option(help="Among your own jobs.")] = Priority.normal,
    not_before: Instant = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", help="Not begun by then, it fails: 2026-01-31, 2026-01-31T08:00.")
    ] = None,
    callback_url: Annotated[str | None, typer.Option("--callback-url", help="Told of its end, signed.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Submitted again under it, the same job is told of.")
    ] = None,
    wait: WaitOption = False,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Submit a question and print the job's id, or with --wait its answer."""
    body: dict[str, Any] = _piped() if question == "-" else {"messages": [{"role": "user", "content": question}]}
    tandem = {"collection": collection, "prompt": prompt}
    asked = {name: value for name, value in tandem.items() if value is not None}
    if asked:
        body["tandem"] = {**body.get("tandem", {}), **asked}
    more: dict[str, Any] = {
        "max_tokens": max_tokens,
        "not_before": instant(not_before, "--not-before"),
        "expires_at": instant(expires_at, "--expires-at"),
        "callback_url": callback_url,
        "idempotency_key": idempotency_key,
    }
    body.update({name: value for name, value in more.items() if value is not None})
    if priority is not Priority.normal:
        body["priority"] = priority.value

    async def work(jobs: "RemoteJobs") -> dict[str, Any]:
        job = await jobs.submit(body)
        return dict(await jobs.ended(job["id"]) if wait else job)

    _print(_at(work, url, api_key), output, wait=wait)


@app.command()
def get(
    job_id: JobId,
    wait: WaitOption = False,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Show how far a job is, and its answer."""

    async def work(jobs: "RemoteJobs") -> dict[str, Any]:
        return dict(await (jobs.ended(job_id) if wait else jobs.job(job_id)))

    _print(_at(work, url, api_key), output, wait=wait)


@app.command("list")
def list_jobs(
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List your jobs, newest first."""

    async def work(jobs: "RemoteJobs") -> dict[str, Any]:
        found: list[Any] = []
        after: str | None = None
        while len(found) < limit:
            page = await jobs.page(
                status=None if status is None else status.value, limit=min(_PAGE, limit - len(found)), after=after
            )
            found += page["data"]
            after = page["next_after"]
            if after is None:
                break
        return {"data": found}

    found = _at(work, url, api_key)
    if output is Output.json:
        print_json(found)
        return
    rows = [
        (job["id"], job["status"], job["priority"], when(job["created_at"]), job["attempts"], job["receipt_id"])
        for job in found["data"]
    ]
    print_table(("id", "status", "priority", "submitted", "attempts", "receipt"), rows)


@app.command()
def cancel(
    job_id: JobId, url: UrlOption = DEFAULT_URL, api_key: ApiKeyOption = None, output: OutputOption = Output.table
) -> None:
    """Cancel a job, also while it is answered; exit code 1 when it had ended before."""

    async def work(jobs: "RemoteJobs") -> dict[str, Any]:
        return dict(await jobs.cancel(job_id))

    job = _at(work, url, api_key)
    if output is Output.json:
        print_json(job)
    else:
        out.print(f"{job['id']}: {'being cancelled' if job['cancelling'] else job['status']}")
    raise typer.Exit(0 if job["cancelling"] or job["status"] == "cancelled" else 1)


@app.command()
def secret(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose.")] = "default", config: ConfigOption = None
) -> None:
    """Print the secret that messages about a tenant's jobs are signed with, as Standard Webhooks' libraries take it."""
    from tandem.app.jobs import secret_of, shown
    from tandem.app.settings import load_settings

    chosen = load_settings(config).jobs.webhooks
    if chosen.secret is None:
        raise ConfigurationError(
            "There is no secret to make it from.", hint="Set jobs.webhooks.secret, such as: openssl rand -base64 32"
        )
    typer.echo(shown(secret_of(chosen, tenant)))


def _at(work: "Callable[[RemoteJobs], Awaitable[dict[str, Any]]]", url: str, api_key: str | None) -> dict[str, Any]:
    from tandem.adapters.remote.jobs import remote_jobs

    async def opened() -> dict[str, Any]:
        async with remote_jobs(url, api_key=api_key) as jobs:
            return await work(jobs)

    return run(opened())


def _print(job: dict[str, Any], output: Output, *, wait: bool) -> None:
    if output is Output.json:
        print_json(job)
    elif job["result"] is not None:
        out.print(job["result"]["choices"][0]["message"]["content"], markup=False)
        err.print(f"[dim]{job['id']} · {job['receipt_id']}[/]")
    else:
        failure = job["error"]
        said = f": {failure['code']}, {failure['message']}" if failure else ""
        out.print(f"{job['id']} {job['status']}{said}", markup=False)
    if wait:
        raise typer.Exit(0 if job["status"] == "succeeded" else 1)


def _piped() -> dict[str, Any]:
    import orjson

    try:
        body = orjson.loads(sys.stdin.buffer.read())
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"Standard input is no JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidRequest("Standard input is no chat request: a JSON object is wanted.")
    return body
