"""`tandem search`."""

from typing import Annotated, cast

import typer
from rich.markup import escape

from tandem.cli.console import Output, OutputOption, out, print_json, print_table, run
from tandem.cli.options import ApiKeyOption, CollectionOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.passage import Retrieval
from tandem.domain.question import Reach
from tandem.retrieval.neighbours import MOST_NEIGHBOURS


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: CollectionOption = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=50, help="Passages to print.")] = None,
    neighbours: Annotated[
        str | None, typer.Option("--neighbours", help="Chunks to add before and after each passage, or section.")
    ] = None,
    diversity: Annotated[
        float | None, typer.Option("--diversity", min=0, max=1, help="How much variety among the passages counts.")
    ] = None,
    expand: Annotated[
        bool | None, typer.Option("--expand/--no-expand", help="Search for reworded questions too.")
    ] = None,
    self_query: Annotated[
        bool | None,
        typer.Option("--self-query/--no-self-query", help="Read conditions on documents out of the question."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print every stage, and what was dropped and why.")
    ] = False,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print the passages that a question would be answered from."""
    from tandem.cli import session
    from tandem.domain.question import RetrievalOptions

    settings = session.settings_for(config, data_dir, url, api_key)
    options = RetrievalOptions(
        collection=collection or settings.retrieval.collection,
        top_k=top_k,
        neighbours=_reach(neighbours),
        diversity=diversity,
        expand=expand,
        self_query=self_query,
        explain=explain,
    )

    async def work() -> Retrieval:
        async with session.features(settings) as (retriever, _):
            return await retriever.retrieve(query, options, session.context())

    found = run(work())
    if output is Output.json:
        from tandem.http.wire.passages import wire_retrieval

        print_json(wire_retrieval(found).model_dump(exclude_none=False))
        return
    _print(found)


def _reach(said: str | None) -> Reach | None:
    """Raises `typer.BadParameter` for what is neither a number of chunks nor `section`."""
    if said is None or said == "section":
        return cast("Reach | None", said)
    if said.isdecimal() and int(said) <= MOST_NEIGHBOURS:
        return int(said)
    raise typer.BadParameter(f"give 0 to {MOST_NEIGHBOURS}, or section", param_hint="--neighbours")


def _print(found: Retrieval) -> None:
    if not found.passages:
        out.print(f"Nothing relevant enough (best relevance {found.relevance:.2f}).")
    for number, passage in enumerate(found.passages, 1):
        place = " > ".join(passage.chunk.title_path) or passage.title
        out.print(f"[bold]\\[{number}][/] {passage.chunk.document_id}  [dim]{place}[/]", markup=True)
        out.print(passage.chunk.text, markup=False)
        out.print()
    if found.degraded:
        out.print(f"degraded: {', '.join(found.degraded)}", markup=False)
    if found.trace is None:
        return
    trace = found.trace
    for each in (*trace.queries, *(trace.plan.told if trace.plan else ())):
        out.print(f"- {each}", markup=False)
    for stage, passages in (
        ("dense", trace.dense),
        ("sparse", trace.sparse),
        ("fused", trace.fused),
        ("rerank", trace.reranked),
    ):
        out.print(f"[bold]{stage}[/]")
        print_table(
            ("#", "chunk", stage), [(n, p.chunk.id, getattr(p.scores, stage)) for n, p in enumerate(passages, 1)]
        )
        out.print()
    for legs in trace.others:
        out.print(f"[bold]{escape(legs.query)}[/]")
        rows = [(leg, n, p.chunk.id) for leg in ("dense", "sparse") for n, p in enumerate(getattr(legs, leg), 1)]
        print_table(("found by", "#", "chunk"), rows)
        out.print()
    out.print("[bold]dropped[/]")
    print_table(("chunk", "reason", "by"), [(d.passage.chunk.id, d.reason, d.by) for d in trace.dropped])
