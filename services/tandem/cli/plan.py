"""`tandem plan`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err
from tandem.cli.plan_shown import show_entry, show_plan

if TYPE_CHECKING:
    from tandem.platform.plan.planning import Plan
    from tandem.platform.plan.prices import Book, Measured
    from tandem.platform.plan.traffic import Traffic

_TRAFFIC, _OBJECTIVES, _RESULTS = "Traffic and model", "Objectives", "Results"


class Day(StrEnum):
    """Shapes of a day."""

    business = "business"
    evening = "evening"
    flat = "flat"


class Kind(StrEnum):
    """Shapes of a deployment."""

    monolith = "monolith"
    microservices = "microservices"
    onprem = "on-prem"
    cloud = "cloud"
    hybrid = "hybrid"


class Engine(StrEnum):
    """What runs the model."""

    tgi = "tgi"
    vllm = "vllm"


def plan(
    traffic_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAFFIC.yaml", help="Traffic, objectives and more; flags go before it.", show_default=False
        ),
    ] = None,
    rps: Annotated[
        float | None,
        typer.Option(
            "--rps", help="Requests a second in the busiest hour.", rich_help_panel=_TRAFFIC, show_default=False
        ),
    ] = None,
    day: Annotated[
        Day, typer.Option("--day", help="How the rate changes over the day.", rich_help_panel=_TRAFFIC)
    ] = Day.business,
    prompt_tokens: Annotated[
        float | None,
        typer.Option(
            "--prompt-tokens",
            help="Mean length of prompts, passages included.",
            rich_help_panel=_TRAFFIC,
            show_default="1200",
        ),
    ] = None,
    answer_tokens: Annotated[
        float | None,
        typer.Option("--answer-tokens", help="Mean length of answers.", rich_help_panel=_TRAFFIC, show_default="250"),
    ] = None,
    documents: Annotated[
        int | None,
        typer.Option("--documents", help="How many are searched.", rich_help_panel=_TRAFFIC, show_default="100000"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="A model of the price book.", rich_help_panel=_TRAFFIC, show_default="llama-3.1-8b"
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help="A GPU of the price book.", rich_help_panel=_TRAFFIC, show_default="a10g"),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option("--engine", help="What runs the model.", rich_help_panel=_TRAFFIC, show_default="tgi"),
    ] = None,
    quantisation: Annotated[
        str | None,
        typer.Option(
            "--quantisation",
            help="Of the weights.",
            rich_help_panel=_TRAFFIC,
            show_default="the finest with room for eight requests",
        ),
    ] = None,
    gpus_per_replica: Annotated[
        int | None,
        typer.Option(
            "--gpus-per-replica", help="GPUs that share one model.", rich_help_panel=_TRAFFIC, show_default="1"
        ),
    ] = None,
    first_token: Annotated[
        float | None,
        typer.Option(
            "--slo-first-token",
            metavar="SECONDS",
            help="99 of 100 first tokens come by then.",
            rich_help_panel=_OBJECTIVES,
            show_default="3",
        ),
    ] = None,
    answer: Annotated[
        float | None,
        typer.Option(
            "--slo-answer",
            metavar="SECONDS",
            help="99 of 100 answers are whole by then.",
            rich_help_panel=_OBJECTIVES,
            show_default=False,
        ),
    ] = None,
    refused: Annotated[
        float | None,
        typer.Option(
            "--slo-refused",
            metavar="SHARE",
            help="Share of requests that may be refused.",
            rich_help_panel=_OBJECTIVES,
            show_default="0.005",
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            help="Own prices, hardware, models and engines, laid over the book's.",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="FILE",
            help="Measured requests (JSON lines): the engine's times are taken from them.",
            show_default=False,
        ),
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Print what the trace tells of the engine, as an entry for --prices, and end.")
    ] = False,
    values: Annotated[
        Path | None,
        typer.Option(
            "--values",
            metavar="FILE",
            help="Write the recommended shape's values for charts/tandem.",
            rich_help_panel=_RESULTS,
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Write an HTML report.", rich_help_panel=_RESULTS, show_default=False
        ),
    ] = None,
    shape: Annotated[
        list[Kind] | None,
        typer.Option(
            "--shape", help="Only this one; may be given again.", rich_help_panel=_RESULTS, show_default="all five"
        ),
    ] = None,
    requests: Annotated[
        int,
        typer.Option(
            "--requests",
            min=200,
            max=50_000,
            help="Simulated in each window: more take longer, and tell more. Below a thousand chance decides about sizes.",
        ),
    ] = 1200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn by chance.")] = 1,
    output: OutputOption = Output.table,
) -> None:
    """Find the shape of a deployment that holds to its objectives at the least cost: monolith, microservices, own machines, cloud or both.

    Simulates a day of traffic with the gateway's own admission, queues and spill rules. docs/planning.md tells what it reckons with.
    """
    # What simulates brings numpy and the request path, half a second for every command that there is.
    from tandem.platform.plan.planning import plan as planned
    from tandem.platform.plan.prices import load_book
    from tandem.platform.plan.traffic import load_traffic

    if fit and trace is None:
        raise typer.BadParameter("there is nothing to fit: give --trace FILE", param_hint="--fit")
    given = _given(
        requests_per_second=rps, prompt_tokens=_tokens(prompt_tokens), answer_tokens=_tokens(answer_tokens),
        documents=documents, model=model, gpu=gpu, engine=engine and engine.value, quantisation=quantisation,
        gpus_per_replica=gpus_per_replica,
        slo=_given(first_token_p99_s=first_token, answer_p99_s=answer, refused_share=refused) or None,
    )  # fmt: skip
    if fit and traffic_file is None:
        given.setdefault("requests_per_second", 1.0)
    traffic, book = load_traffic(traffic_file, given, day=day.value), load_book(prices)
    if trace is not None:
        measured = _measured(trace, book, traffic)
        if fit:
            show_entry(measured, output)
            return
        book = book.model_copy(update={"measured": (measured, *book.measured)})
    with err.status("simulating") as status:
        found = planned(
            traffic,
            book,
            wanted=[one.value for one in shape or Kind],
            requests=requests,
            seed=seed,
            tell=lambda name: status.update(f"simulating: {name}"),
        )
    _write(found, values, report)
    show_plan(found, output)


def _given(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _tokens(mean: float | None) -> dict[str, float] | None:
    """The mean alone: a file's spread stays."""
    return None if mean is None else {"mean": mean}


def _measured(trace: Path, book: "Book", traffic: "Traffic") -> "Measured":
    from tandem.platform.plan.engines import fitted
    from tandem.platform.plan.trace import fit_trace, read_trace, simulated_again

    lines = read_trace(trace)
    chosen = traffic.quantisation or fitted(book, traffic).quantisation
    measured = fit_trace(lines, book=book, traffic=traffic, quantisation=chosen, source=str(trace))
    off = simulated_again(lines, measured, book.engine(traffic.engine).chunk_tokens)
    said = ", ".join(f"{count} at a time {share:+.0%}" for count, share in off.items())
    err.print(f"The trace, simulated again with what it tells: {said} of the time that requests took.")
    return measured


def _write(found: "Plan", values: Path | None, report: Path | None) -> None:
    if values is not None:
        from tandem.domain.errors import ConfigurationError
        from tandem.platform.plan.values import values_text

        try:
            values.write_text(values_text(found), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"The values file {values} cannot be written: {error.strerror}.", hint="Name another one with --values."
            ) from error
    if report is not None:
        from tandem.platform.plan.report import write_report

        write_report(report, found)
