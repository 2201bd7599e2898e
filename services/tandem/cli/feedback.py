"""`tandem feedback list|export`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, print_table, run
from tandem.cli.instants import Instant, instant
from tandem.cli.lineage_shown import when
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption

app = typer.Typer(help="See what people thought of answers, and make data sets of it.", no_args_is_help=True)
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Whose, without --url; a key has its own.", show_default="default")
]
LabelOption = Annotated[str | None, typer.Option("--label", help="With this label.")]
_PAGE = 200


@app.command("list")
def list_feedback(
    rating: Annotated[str | None, typer.Option("--rating", metavar="up|down|neutral", help="Good or bad ones.")] = None,
    label: LabelOption = None,
    user: Annotated[str | None, typer.Option("--user", help="Of this user.")] = None,
    since: Instant = None,
    until: Instant = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    tenant: TenantOption = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List what people said of answers, oldest first. Takes an admin's key."""
    from tandem.cli.rights_source import rights_source

    if rating not in {None, "up", "down", "neutral"}:
        raise typer.BadParameter("it is up, down or neutral", param_hint="--rating")
    query: dict[str, Any] = {
        "rating": rating,
        "label": label,
        "user": user,
        "since": instant(since, "--since"),
        "until": instant(until, "--until"),
    }

    async def work() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = None
        async with rights_source(config, data_dir, url, api_key, tenant) as source:
            while len(found) < limit:
                page = await source.listed({**query, "limit": min(_PAGE, limit - len(found)), "after": after})
                found += page["data"]
                after = page["next_after"]
                if after is None:
                    break
        return found

    found = run(work())
    if output is Output.json:
        print_json({"data": found})
        return
    print_table(
        ("given", "receipt", "rating", "labels", "by", "comment", "corrected answer"),
        [
            (
                when(each["given_at"]),
                each["receipt_id"],
                f"{each['rating']:+g}",
                " ".join(each["labels"]),
                "/".join(filter(None, (each["caller"], each["user"]))),
                each["comment"],
                each["corrected_answer"],
            )
            for each in found
        ],
    )


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set's name; its version is counted.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="NAME@1, NAME@2 … are put below it.")],
    label: LabelOption = None,
    since: Instant = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Given before; the same again makes the same set.", show_default="now"
        ),
    ] = None,
    tenant: TenantOption = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Make an eval set and training sets of answers that people rated or corrected, with their lineage.

    `tandem eval DIR/NAME@N` and a collection's gate take it as it is; sft.jsonl and preferences.jsonl are for training.
    When nothing is new since the last version, that one stays the last. Takes an admin's key.
    """
    from importlib.metadata import version

    from tandem.app.clock import SystemClock
    from tandem.cli.dataset_folder import checked_name, put
    from tandem.cli.rights_source import rights_source
    from tandem.pipeline.feedback.dataset import DataSet, dataset
    from tandem.ports.feedback import FeedbackFilter

    checked_name(name)
    upto = instant(until, "--until") or float(int(SystemClock().epoch_s()))
    wanted = FeedbackFilter(label=label, since=instant(since, "--since"), until=upto)

    async def work() -> DataSet:
        async with rights_source(config, data_dir, url, api_key, tenant) as source:
            whose, opinions, records = await source.rated(wanted)
            return dataset(whose, opinions, records)

    made = run(work())
    filters = {"label": label, "since": wanted.since, "until": upto}
    put_at = put(made, folder, name, f"tandem-rag {version('tandem-rag')}", filters)
    counts = {each.name: each.content.count(b"\n") for each in made.files}
    if output is Output.json:
        told = {"path": str(put_at.path), "dataset": put_at.path.name, "new": put_at.new, "digest": made.digest}
        print_json({**told, "examples": len(made.examples), "lines": counts, "left_out": dict(made.left_out)})
        return
    if not made.examples:
        err.print("[yellow]No answer that was rated can be used.[/]")
    out.print(f"{put_at.path}{'' if put_at.new else ' (nothing is new since)'}")
    print_table(("file", "lines"), [(each, many) for each, many in counts.items() if each.endswith(".jsonl")])
    for reason, many in sorted(made.left_out.items()):
        err.print(f"[dim]left out: {many} {reason.replace('_', ' ')}[/]")
