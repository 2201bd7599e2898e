"""`tandem receipts list|show|diff|replay`."""

import dataclasses
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.instants import Instant, instant
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.cli.receipts_shown import print_diff, print_receipt, print_receipts

if TYPE_CHECKING:
    from tandem.cli.receipt_diff import ReceiptDiff
    from tandem.cli.receipt_source import ReceiptSource, ServedReceiptSource
    from tandem.http.wire.receipts import WireReceipt, WireReceiptLine

T = TypeVar("T")
app = typer.Typer(help="See what answers were made from, compare them, ask again.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="A receipt, rcpt-…")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose receipts, without --url; a key has its own.")]
StrictOption = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when passages, outcome or answer differ.")]
_PAGE = 100


class Rating(StrEnum):
    """What somebody said of an answer."""

    up = "up"
    down = "down"


@app.command("list")
def list_receipts(
    caller: Annotated[str | None, typer.Option(help="Of this key or token.")] = None,
    user: Annotated[str | None, typer.Option(help="Asked for this user.")] = None,
    outcome: Annotated[str | None, typer.Option(help="answered, abstained, failed, refused, client_closed …")] = None,
    collection: Annotated[str | None, typer.Option(help="docs, or a version of it: docs@3.")] = None,
    model: Annotated[str | None, typer.Option(help="Answered by this model.")] = None,
    prompt: Annotated[str | None, typer.Option(help="answer, or a version of it: answer@1.")] = None,
    release: Annotated[str | None, typer.Option(help="Of this release.")] = None,
    since: Instant = None,
    until: Instant = None,
    rating: Annotated[Rating | None, typer.Option(help="Somebody liked the answer, or did not.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    tenant: TenantOption = "default",
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List receipts, newest first."""
    from tandem.ports.receipts import ReceiptFilter

    wanted = ReceiptFilter(
        caller,
        user,
        outcome,
        collection,
        model,
        prompt,
        release,
        instant(since, "--since"),
        instant(until, "--until"),
        None if rating is None else rating.value,
    )

    async def work(source: "ReceiptSource") -> "list[WireReceiptLine]":
        found: list[WireReceiptLine] = []
        after: str | None = None
        while len(found) < limit:
            page = await source.page(wanted, limit=min(_PAGE, limit - len(found)), after=after)
            found += page.data
            after = page.next_after
            if after is None:
                break
        return found

    found = _at(work, config, data_dir, url, api_key, tenant)
    if output is Output.json:
        print_json({"data": [line.model_dump(mode="json") for line in found]})
    else:
        print_receipts(found)


@app.command()
def show(
    receipt_id: Id,
    tenant: TenantOption = "default",
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print what an answer was made from; `-o json` with the prompt's messages and the passages' texts."""
    found = _at(lambda source: source.receipt(receipt_id), config, data_dir, url, api_key, tenant)
    if output is Output.json:
        print_json(found.model_dump(mode="json"))
    else:
        print_receipt(found)


@app.command()
def diff(
    before: Id,
    after: Id,
    strict: StrictOption = False,
    tenant: TenantOption = "default",
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Compare two receipts: versions, passages, prompt, answer, times."""
    from tandem.cli.receipt_diff import receipt_diff

    async def work(source: "ReceiptSource") -> "tuple[WireReceipt, WireReceipt]":
        return await source.receipt(before), await source.receipt(after)

    _told(receipt_diff(*_at(work, config, data_dir, url, api_key, tenant)), output, strict=strict)


@app.command()
def replay(
    receipt_id: Id,
    collection: Annotated[str | None, typer.Option(help="Ask this collection, or version of it: docs@4.")] = None,
    prompt: Annotated[str | None, typer.Option(help="With this template: answer@2.")] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model.")] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=50, help="Passages to answer from.")] = None,
    current: Annotated[
        bool, typer.Option("--current", help="What serves now, rather than the versions of the receipt.")
    ] = False,
    strict: StrictOption = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Ask a receipt's question again, of the same versions or of others, and compare the two answers.

    It is asked of a running Tandem, which sees the caller's own tenant; versions of collections by their number take an
    admin's key.
    """
    from tandem.cli.receipt_diff import receipt_diff
    from tandem.cli.receipt_source import served, url_to_ask
    from tandem.cli.replaying import question_of

    async def work(source: "ServedReceiptSource") -> "ReceiptDiff":
        old = await source.receipt(receipt_id)
        if old.redacted:
            err.print("[dim]Parts of the texts were redacted; what stands there now is asked.[/]")
        body = question_of(old, collection=collection, prompt=prompt, model=model, top_k=top_k, current=current)
        return receipt_diff(old, await source.receipt(await source.ask(body)))

    async def opened() -> "ReceiptDiff":
        async with served(url_to_ask(config, data_dir, url), api_key) as source:
            return await work(source)

    _told(run(opened()), output, strict=strict)


def _told(found: "ReceiptDiff", output: Output, *, strict: bool) -> None:
    if output is Output.json:
        print_json({**dataclasses.asdict(found), "same": found.same})
    else:
        print_diff(found)
        out.print()
        out.print("The same." if found.same else "Different.")
    if strict and not found.same:
        raise typer.Exit(1)


def _at(
    work: "Callable[[ReceiptSource], Awaitable[T]]",
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
    api_key: str | None,
    tenant: str,
) -> T:
    from tandem.cli.receipt_source import receipt_source

    async def opened() -> T:
        async with receipt_source(config, data_dir, url, api_key, tenant) as source:
            return await work(source)

    return run(opened())
