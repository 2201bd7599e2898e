"""`tandem collections versions|lineage|build|promote|rollback|drop`."""

import dataclasses
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, print_table, run
from tandem.cli.lineage_shown import count, print_gate, print_lineage, when
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.context import RequestContext
from tandem.domain.errors import PromotionRefused
from tandem.domain.lineage import Place, Version, base_of, is_version
from tandem.ports.ingestor import Ingestor

Name = Annotated[str, typer.Argument(help="The collection's name.")]
VersionName = Annotated[str, typer.Argument(metavar="NAME@N", help="A version, such as docs@3.")]


def versions(
    name: Name,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List a collection's versions, oldest first, and which of them serves."""
    found = _versions(name, config, data_dir, url, api_key)
    if output is Output.json:
        print_json({"data": [dataclasses.asdict(each) for each in found]})
        return
    print_table(
        ("version", "state", "documents", "chunks", "built", "promoted", "retired"),
        [
            (
                each.name,
                each.state,
                count(each.documents),
                count(each.chunks),
                when(each.lineage.finished_at),
                when(each.lineage.promoted_at),
                when(each.lineage.retired_at),
            )
            for each in found
        ],
    )


def lineage(
    name: Annotated[str, typer.Argument(metavar="NAME[@N]", help="A version; of a collection, the one that serves.")],
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print how a version came to be: its places, its recipe, what it was built from, what its gate said."""
    from tandem.domain.errors import UnknownCollection

    found = _versions(base_of(name), config, data_dir, url, api_key)
    wanted = [each for each in found if (each.name == name if is_version(name) else each.state == "serving")]
    if not wanted:
        raise UnknownCollection(
            f"There is no version {name}.", hint=f"Known: {', '.join(each.name for each in found)}.", param="collection"
        )
    if output is Output.json:
        print_json(dataclasses.asdict(wanted[0]))
        return
    print_lineage(wanted[0])


def build(
    name: Name,
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="PATH|URL", help="Read this place instead of those it came from; may be repeated."
        ),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Read no place: take all documents over as they are stored.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Begin another one, though one is being built.")] = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Build the next version beside the one that serves. Stopped, it goes on when run again.

    Documents of the places are read anew, others are taken over; with another embedder, chunker or sparse model all are
    made anew. Exit code 1 when a document failed.
    """
    from tandem.app.places import sources_at
    from tandem.cli import session
    from tandem.cli.progress import report_failures, report_line, step_progress, sync_progress
    from tandem.pipeline.versions.rebuilding import Rebuilt, rebuild

    settings = session.settings_for(config, data_dir, url, api_key)

    async def work() -> Rebuilt:
        async with session.features(settings) as (_, ingestor), sources_at(settings, places or ()) as named:
            with sync_progress() as watch, step_progress() as tell:
                return await rebuild(
                    ingestor,
                    name,
                    session.context(),
                    open_places=lambda known: sources_at(settings, known),
                    places=[Place(source.place) for source in named],
                    stored=stored,
                    anew=anew,
                    watch=watch,
                    tell=tell,
                )

    built = run(work())
    if output is Output.json:
        print_json(
            {
                **dataclasses.asdict(built.version),
                "carried": built.carried,
                "failures": [dataclasses.asdict(outcome) for outcome in built.report.failed],
            }
        )
    else:
        report_failures(built.report)
        counted = built.version.lineage
        out.print(
            f"{built.version.name} is {built.version.state}: {counted.documents or 0} documents, "
            f"{counted.chunks or 0} chunks; read {report_line(built.report)}; taken over {built.carried}."
        )
        if built.complete:
            out.print(f"Promote it: tandem collections promote {name}")
    if not built.complete:
        err.print("It is not complete: some places could not be listed; run this again.", style="yellow")
    raise typer.Exit(1 if built.report.failed or not built.complete else 0)


def promote(
    name: Annotated[
        str, typer.Argument(metavar="NAME[@N]", help="A collection: its newest complete version; or a version.")
    ],
    golden: Annotated[
        Path | None,
        typer.Option(
            "--golden", help="Golden questions: a .jsonl, or a folder.", show_default="collections.NAME.gate.golden"
        ),
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(
            "--force", metavar="REASON", help="Promote what the gate refuses; the reason goes into its lineage."
        ),
    ] = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a version serve, if its gate lets it: golden questions and counts against the version that serves."""
    from tandem.app.versions import golden_questions
    from tandem.cli import session
    from tandem.ports.versions import Promotion

    questions = None if golden is None else golden_questions(golden)
    wish = Promotion(name if is_version(name) else None, questions, force)

    async def work(
        documents: Ingestor, context: RequestContext
    ) -> tuple[Version | None, tuple[Version, ...], PromotionRefused | None]:
        kept = documents.versions
        try:
            return await kept.promote(base_of(name), wish, context), (), None
        except PromotionRefused as error:
            return None, await kept.versions(base_of(name), context), error

    promoted, found, refused = session.with_documents(work, config, data_dir, url, api_key)
    if promoted is not None:
        _print_promoted(promoted, output)
        return
    judged = [each for each in found if each.lineage.gates]
    latest = max(judged, key=lambda each: each.lineage.gates[-1].at, default=None)
    if output is Output.json and latest is not None:
        print_json({"promoted": False, "version": latest.name, "gate": dataclasses.asdict(latest.lineage.gates[-1])})
    elif latest is not None:
        err.print(f"{latest.name} is held back.", style="red", markup=False)
        print_gate(latest.lineage.gates[-1])
        err.print((refused.hint if refused is not None else "") or "", markup=False)
    raise typer.Exit(1)


def rollback(
    name: Name,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Go back to the version that the serving one replaced. Nothing is built or deleted."""
    from tandem.cli import session

    def work(documents: Ingestor, context: RequestContext) -> Awaitable[Version]:
        return documents.versions.rollback(name, context)

    _print_promoted(session.with_documents(work, config, data_dir, url, api_key), output)


def drop(
    name: VersionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a version that does not serve, with everything in it."""
    from tandem.cli import session

    if not yes:
        typer.confirm(f"Delete the version {name}, for all tenants?", abort=True)

    def work(documents: Ingestor, context: RequestContext) -> Awaitable[None]:
        return documents.versions.drop(name, context)

    session.with_documents(work, config, data_dir, url, api_key)
    out.print(f"Dropped {name}.")


def _versions(
    name: str, config: Path | None, data_dir: Path | None, url: str | None, api_key: str | None
) -> tuple[Version, ...]:
    from tandem.cli import session

    def work(documents: Ingestor, context: RequestContext) -> Awaitable[tuple[Version, ...]]:
        return documents.versions.versions(name, context)

    return session.with_documents(work, config, data_dir, url, api_key)


def _print_promoted(version: Version, output: Output) -> None:
    if output is Output.json:
        print_json({"promoted": True, **dataclasses.asdict(version)})
        return
    out.print(f"{version.name} serves now.")
    if version.lineage.gates and version.lineage.gates[-1].forced is not None:
        err.print("The gate refused it; it was forced.", style="yellow")
