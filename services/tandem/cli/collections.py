"""`tandem collections list|show|delete`; what concerns versions is in `versions.py`."""

import dataclasses
from collections.abc import Awaitable
from typing import Annotated

import typer

from tandem.cli import failures, versions
from tandem.cli.console import Output, OutputOption, out, print_json, print_table
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.context import RequestContext
from tandem.domain.document import CollectionInfo, DocumentRecord
from tandem.domain.errors import UnknownCollection
from tandem.domain.lineage import is_version
from tandem.ports.ingestor import Ingestor

app = typer.Typer(help="See, build, promote and remove collections of documents.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The collection's name.")]
_PAGE = 500


@app.command("list")
def list_collections(
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List the collections and how much is in them."""
    from tandem.cli import session

    def work(documents: Ingestor, context: RequestContext) -> Awaitable[list[CollectionInfo]]:
        return documents.collections(context)

    found = session.with_documents(work, config, data_dir, url, api_key)
    if output is Output.json:
        print_json({"data": [dataclasses.asdict(info) for info in found]})
    else:
        print_table(
            ("name", "version", "documents", "chunks", "embedder"),
            [(info.name, info.version, info.documents, info.chunks, info.recipe.embedder) for info in found],
        )


@app.command()
def show(
    name: Name,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print how a collection was made and which documents it holds."""
    from tandem.cli import session

    async def work(documents: Ingestor, context: RequestContext) -> tuple[CollectionInfo, list[DocumentRecord]]:
        infos = {info.name: info for info in await documents.collections(context)}
        if is_version(name):
            every = {each.name: each for each in await documents.versions.versions(name, context)}
            if name in every:
                infos[name] = CollectionInfo(name, 0, 0, every[name].recipe, version=name)
        if name not in infos:
            raise UnknownCollection(f"There is no collection {name!r}.", hint=f"Known: {', '.join(infos) or 'none'}.")
        records: list[DocumentRecord] = []
        after: str | None = None
        while True:
            page = await documents.documents(name, context, limit=_PAGE, after=after)
            records.extend(page.records)
            after = page.next_after
            if after is None:
                counted = len(records), sum(record.chunks for record in records)
                return dataclasses.replace(infos[name], documents=counted[0], chunks=counted[1]), records

    info, records = session.with_documents(work, config, data_dir, url, api_key)
    if output is Output.json:
        print_json({**dataclasses.asdict(info), "data": [dataclasses.asdict(record) for record in records]})
        return
    for key, value in {
        "name": info.name,
        "version": info.version,
        "documents": info.documents,
        "chunks": info.chunks,
        **dataclasses.asdict(info.recipe),
    }.items():
        out.print(f"[dim]{key:>10}[/]  {value}")
    out.print()
    print_table(("document", "title", "type", "chunks"), [(r.id, r.title, r.media_type, r.chunks) for r in records])


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a collection with everything in it."""
    from tandem.cli import session

    if not yes:
        typer.confirm(f"Delete the collection {name} with all its documents?", abort=True)

    def work(documents: Ingestor, context: RequestContext) -> Awaitable[None]:
        return documents.drop_collection(name, context)

    session.with_documents(work, config, data_dir, url, api_key)
    out.print(f"Deleted {name}.")


app.command("versions")(versions.versions)
app.command("lineage")(versions.lineage)
app.command("build")(versions.build)
app.command("promote")(versions.promote)
app.command("rollback")(versions.rollback)
app.command("drop")(versions.drop)
app.command("failures")(failures.failures)
