"""`tandem ingest`."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.options import ApiKeyOption, CollectionOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.errors import ConfigurationError
from tandem.domain.lineage import Place, is_version
from tandem.ingestion.labels import UNLABELLED, Labels, checked
from tandem.ingestion.progress import SyncReport

if TYPE_CHECKING:
    from tandem.app.settings import Settings


class Platform(StrEnum):
    """Where an ingestion runs."""

    here = "here"
    kubernetes = "kubernetes"


def ingest(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|URL...",
            help="Files, folders, pages, git+URL@REF, s3://bucket/prefix, sitemap:URL, kafka://host/topic.",
            show_default=False,
        ),
    ] = None,
    collection: CollectionOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete documents of these places that are no longer there.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try what failed again, of these places or of all.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Of a topic: only what is there now, then stop.")
    ] = False,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="A tag for every document, beside its own; repeatable.")
    ] = None,
    acl: Annotated[
        list[str] | None,
        typer.Option("--acl", help="A group that may see the documents, nobody else then; repeatable."),
    ] = None,
    author: Annotated[str | None, typer.Option("--author", help="Of every document, whatever it says itself.")] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Only the I-th (from 0) of N shares of the documents, by a hash of their ids.",
            show_default="all documents",
        ),
    ] = None,
    on: Annotated[
        Platform, typer.Option("--on", help="Where it runs: here, or as a Job beside an installed release.")
    ] = Platform.here,
    shards: Annotated[int, typer.Option(min=1, max=1000, help="--on kubernetes: pods that share the documents.")] = 1,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="--on kubernetes: pods at a time.", show_default="all shards")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help='--on kubernetes: again and again, such as "15 3 * * *".', show_default="once"),
    ] = None,
    release: Annotated[str, typer.Option("--release", "-r", help="--on kubernetes: the Helm release.")] = "tandem",
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="--on kubernetes: where it is.", show_default="the context's namespace"),
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="--on kubernetes: of the kubeconfig.", show_default="the current one")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="--on kubernetes: the file.", show_default="KUBECONFIG, ~/.kube/config")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="--on kubernetes: the pods' image.", show_default="the release's")
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            help="--on kubernetes: a YAML file with resources, env, volumes, volumeMounts, nodeSelector, … of the pods.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="--on kubernetes: print the manifest only.")] = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put documents into a collection; what has not changed is not written again. Exit code 1 when any document failed."""
    places = places or []
    if not places and not retry_failed:
        raise ConfigurationError("Nothing is named to ingest.", hint="Name a folder, a file or a URL.")
    if on is Platform.kubernetes:
        if shard is not None:
            raise ConfigurationError("--shard is one of a Job's own.", hint="Say with --shards how many there are.")
        from tandem.cli.ingest_on_kubernetes import Where, ingest_on_kubernetes, ingestion_of

        ingest_on_kubernetes(
            ingestion_of(
                places,
                shards,
                collection,
                prune=prune,
                parallel=parallel,
                schedule=schedule,
                labels=Labels(tuple(tag or ()), tuple(acl or ()), author),
            ),
            Where(release, namespace, context, kubeconfig, image, values),
            dry_run=dry_run,
            output=output,
        )
        return
    if shards > 1 or schedule or dry_run or values or image:
        raise ConfigurationError(
            "--shards, --schedule, --image, --values and --dry-run are for --on kubernetes.",
            hint="Here, --shard I/N takes one share of the documents.",
        )
    from tandem.adapters.sources.place import is_followed
    from tandem.app.places import sources_at
    from tandem.cli import session
    from tandem.cli.progress import sync_progress
    from tandem.ingestion.shards import WHOLE, Shard
    from tandem.pipeline.labelling import labelled
    from tandem.pipeline.syncing import sync

    labels = checked(Labels(tuple(tag or ()), tuple(acl or ()), author))
    share = WHOLE if shard is None else Shard.parse(shard)
    settings = session.settings_for(config, data_dir, url, api_key)
    into = collection or settings.retrieval.collection
    if retry_failed or any(map(is_followed, places)):
        whole = share == WHOLE and not prune
        _otherwise(
            settings, into, places, labels, retry_failed=retry_failed, until_end=until_end, whole=whole, output=output
        )
        return

    async def work() -> SyncReport:
        async with session.features(settings) as (_, ingestor), sources_at(settings, places) as named:
            with sync_progress(lines=shard is not None) as watch:
                done = await sync(
                    ingestor,
                    labelled(named, labels),
                    collection=into,
                    context=session.context(),
                    prune=prune,
                    shard=share,
                    watch=watch,
                )
            if done.chunks and not is_version(into):
                # The next version is built from them, under the same labels.
                read = [Place(source.place, labels.tags, labels.acl, labels.author) for source in named]
                await ingestor.versions.came_from(into, read, session.context())
            return done

    _tell(into, run(work()), output)


def _tell(into: str, report: SyncReport, output: Output) -> None:
    """What became of the documents. Exit code 1 when one failed, or nothing could be pruned."""
    from tandem.cli.progress import report_failures, report_line

    if output is Output.json:
        print_json(
            {
                "collection": into,
                **{status: report.count(status) for status in ("added", "updated", "unchanged", "removed", "failed")},
                "skipped": dict(report.skipped),
                "failures": [dataclasses.asdict(outcome) for outcome in report.failed],
            }
        )
    else:
        report_failures(report)
        out.print(f"{into}: {report_line(report)}")
    if report.skipped:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in sorted(report.skipped.items()))
        err.print(f"skipped (no text format): {kinds}", style="dim", markup=False)
    if report.prune_refused:
        err.print("Nothing was pruned: some places could not be listed completely.", style="yellow")
    raise typer.Exit(1 if report.failed or report.prune_refused else 0)


def _otherwise(
    settings: "Settings",
    into: str,
    places: list[str],
    labels: Labels,
    *,
    retry_failed: bool,
    until_end: bool,
    whole: bool,
    output: Output,
) -> None:
    """What is no synchronisation: what failed is tried again, a topic is followed."""
    if not whole:
        raise ConfigurationError("--shard and --prune are for what can be listed as a whole.")
    if retry_failed:
        from tandem.cli.retrying import retry

        retry(settings, into, places, labels, output)
        return
    if len(places) > 1 or labels != UNLABELLED:
        raise ConfigurationError(
            "A topic is followed by itself: no other place and no labels beside it.",
            hint="Start one command per topic; records say their labels in headers.",
        )
    from tandem.cli.following import follow_topic

    follow_topic(settings, into, places[0], until_end=until_end, output=output)
