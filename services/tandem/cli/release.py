"""`tandem release create|status|list|split|promote|rollback`."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, out, print_json, print_table, run
from tandem.cli.lineage_shown import when
from tandem.cli.options import DEFAULT_URL, ApiKeyOption, UrlOption
from tandem.domain.errors import InvalidRequest, TandemError
from tandem.domain.release import BASE, ReleasePolicy

if TYPE_CHECKING:
    from tandem.adapters.remote.releases import RemoteReleases

app = typer.Typer(
    help="Try prompt, collection and model together on a share of the conversations.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="The release's name.")]
NameOrNone = Annotated[str | None, typer.Argument(help="The release's name.", show_default="the one that is tried")]
Told = dict[str, Any]
_POLICY = ReleasePolicy()


class Mode(StrEnum):
    """How it is tried."""

    canary = "canary"
    shadow = "shadow"


WEIGHT_HELP = "Share of the conversations, 0 to 1."
MODE_HELP = "canary: it answers them; shadow: it answers them once more, for nobody to see."


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name, which receipts carry: small letters, digits, . _ -")],
    prompt: Annotated[str | None, typer.Option("--prompt", help="Prompt template, name@version.")] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", metavar="NAME@N", help="A version that is ready, such as docs@3.")
    ] = None,
    pools: Annotated[
        list[str] | None, typer.Option("--pool", help="A pool that answers for it; may be repeated.")
    ] = None,
    weight: Annotated[float, typer.Option(help=WEIGHT_HELP)] = 0.1,
    mode: Annotated[Mode, typer.Option(help=MODE_HELP)] = Mode.canary,
    manual: Annotated[bool, typer.Option("--manual", help="Nothing is decided without people.")] = False,
    alpha: Annotated[float, typer.Option(help="Chance that one that is no worse is taken back.")] = _POLICY.alpha,
    least: Annotated[int, typer.Option(help="Conversations on each side before it is promoted.")] = _POLICY.least,
    soak: Annotated[float, typer.Option(metavar="SECONDS", help="How long it is tried at least.")] = _POLICY.soak_s,
    margins: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            metavar="MEASURE=X",
            help="How much worse it may be, such as groundedness=0.02; may be repeated.",
        ),
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option("--golden", help="Golden questions that it has to answer as well: a .jsonl, or a folder."),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Begin to try a release: what is left out stays as it is. By its policy it is promoted or taken back by itself."""
    questions = None if golden is None else _questions(golden)
    body: Told = {
        "name": name,
        "prompt": prompt,
        "collection": collection,
        "pools": pools or [],
        "weight": weight,
        "mode": mode.value,
        "policy": {
            "automatic": not manual,
            "alpha": alpha,
            "least": least,
            "soak_s": soak,
            "margins": dict(map(_margin, margins or [])),
            "golden": golden is not None,
        },
    }

    async def work(releases: "RemoteReleases") -> Told:
        created = await releases.create(body)
        if questions is None:
            return created
        try:
            return await _asked(releases, name, questions)
        except TandemError as error:
            raise TandemError(
                f"{name} is tried, but its golden questions were not all asked: {error.message}",
                hint=f"tandem release check {name} --golden {golden} asks them again; without them it is not promoted.",
            ) from error

    _changed(_at(work, url, api_key), output)


@app.command()
def check(
    name: Name,
    golden: Annotated[Path, typer.Option("--golden", help="Golden questions: a .jsonl, or a folder.")],
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Ask golden questions of it and of what serves: which answers cite a document that answers them? Counts for promotion."""
    questions = _questions(golden)
    _changed(_at(lambda releases: _asked(releases, name, questions), url, api_key), output)


@app.command()
def status(
    name: NameOrNone = None,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Show how a release is doing: both sides of each measure, and what speaks against promoting it."""

    async def work(releases: "RemoteReleases") -> Told:
        wanted = name
        if wanted is None:
            found = await releases.all()
            tried = [each["name"] for each in found["data"] if each["state"] in ("trying", "promoting")]
            if not tried and found["serving"] == BASE:
                return {"serving": BASE}
            wanted = tried[0] if tried else found["serving"]
        return await releases.status(wanted)

    told = _at(work, url, api_key)
    if output is Output.json:
        print_json(told)
        return
    if "name" not in told:
        out.print(f"serving: {BASE}, which is the configuration; no release is tried")
        return
    _print(told)
    if told["verdict"] is not None:
        _print_verdict(told["verdict"])


@app.command("list")
def list_releases(
    url: UrlOption = DEFAULT_URL, api_key: ApiKeyOption = None, output: OutputOption = Output.table
) -> None:
    """List releases, oldest first."""
    told = _at(lambda releases: releases.all(), url, api_key)
    if output is Output.json:
        print_json(told)
        return
    rows = [
        (each["name"], each["state"], _what(each), each["weight"], when(each["created_at"]), each["reason"])
        for each in told["data"]
    ]
    print_table(("name", "state", "what", "weight", "created", "why"), rows)
    out.print(f"[dim]serving: {told['serving']}[/]")


@app.command()
def split(
    name: Name,
    weight: Annotated[float | None, typer.Option(help=WEIGHT_HELP)] = None,
    mode: Annotated[Mode | None, typer.Option(help=MODE_HELP)] = None,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Try it with another share, or in another way. Conversations that it has stay with it when the share grows."""
    body = {"weight": weight, "mode": None if mode is None else mode.value}
    _changed(_at(lambda releases: releases.change(name, "split", body), url, api_key), output)


@app.command()
def promote(
    name: Name,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Whatever was measured; the reason is kept.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let it serve everybody, if what was measured lets it; its collection's own gate is asked as well."""
    _changed(_at(lambda releases: releases.change(name, "promote", {"force": force}), url, api_key), output)


@app.command()
def rollback(
    name: Name,
    reason: Annotated[str, typer.Option(help="It is kept.")] = "by hand",
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Take it back: one that is tried answers nobody any more, one that serves gives way to what it replaced."""
    _changed(_at(lambda releases: releases.change(name, "rollback", {"reason": reason}), url, api_key), output)


def _at(work: "Callable[[RemoteReleases], Awaitable[Told]]", url: str, api_key: str | None) -> Told:
    from tandem.adapters.remote.releases import remote_releases

    async def opened() -> Told:
        async with remote_releases(url, api_key=api_key) as releases:
            return await work(releases)

    return run(opened())


def _questions(path: Path) -> list[Told]:
    from tandem.app.versions import golden_questions

    found = golden_questions(path)
    if not found:
        raise InvalidRequest(
            f"{path} has no question that a document answers.", hint="Those that nobody can answer are not asked here."
        )
    return [{"question": each.question, "document_ids": list(each.document_ids)} for each in found]


async def _asked(releases: "RemoteReleases", name: str, questions: Sequence[Told]) -> Told:
    """One a call: both answers to it have the time that any request has, however slow the model is."""
    told: Told = {}
    for number, question in enumerate(questions, 1):
        body = {"questions": [question], "anew": number == 1, "complete": number == len(questions)}
        told = await releases.change(name, "golden", body)
    return told


def _margin(text: str) -> tuple[str, float]:
    measure, _, value = text.partition("=")
    try:
        return measure, float(value)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no MEASURE=NUMBER", param_hint="--margin") from error


def _changed(told: Told, output: Output) -> None:
    if output is Output.json:
        print_json(told)
    else:
        _print(told)


def _print(told: Told) -> None:
    share = f", {told['mode']} with {told['weight']:.0%}" if told["state"] == "trying" else ""
    out.print(f"{told['name']}: {told['state']}{share} ({_what(told)})", markup=False)
    if told["reason"]:
        out.print(f"{told['reason']} ({told['by'] or 'unknown'}, {when(told['changed_at'])})", markup=False)
    if told["golden"] is not None:
        _print_golden(told["golden"])


def _print_golden(golden: Told) -> None:
    asked = golden["questions"]
    more = "" if golden["complete"] else ", more to come"
    out.print(f"golden questions: {golden['candidate']} of {asked} right, {golden['control']} by what serves{more}")
    for question in golden["lost"]:
        out.print(f"  lost: {question}", markup=False)


def _print_verdict(verdict: Told) -> None:
    rows = [
        (
            each["measure"].replace("_", " "),
            each["control"]["conversations"],
            each["control"]["mean"],
            each["candidate"]["conversations"],
            each["candidate"]["mean"],
            _between(each),
            f"{each['margin']:g}",
            "fine" if each["fine"] else "worse" if each["worse"] else "open",
        )
        for each in verdict["measures"]
    ]
    print_table(("measure", "n", "now", "n", "new", "worse by", "margin", ""), rows)
    out.print("; ".join([verdict["decision"], *verdict["reasons"]]), markup=False)


def _between(each: Told) -> str:
    """The bounds hold at every look; a latency is worse by a factor."""
    return "-" if each["at_least"] is None else f"{each['at_least']:.3f} to {each['at_most']:.3f}"


def _what(told: Told) -> str:
    parts = [told["prompt"], told["collection"], *(f"pool {pool}" for pool in told["pools"])]
    return " ".join(part for part in parts if part)
