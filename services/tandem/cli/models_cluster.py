"""`tandem models deploy|promote|rollback`: a model on Kubernetes."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.app.clock import SystemClock
from tandem.cli.clusters import cluster_of, confirm
from tandem.cli.console import Output, err, out, print_json
from tandem.cli.model_writing import Writing, writing
from tandem.cli.models import NameArgument, RevisionOption, resolved
from tandem.cli.models_watch import wait
from tandem.cli.options import ApiKeyOption, ConfigOption
from tandem.domain.errors import ConfigurationError, InvalidRequest, TandemError

if TYPE_CHECKING:
    from tandem.app.models import ModelGate
    from tandem.app.settings import Settings
    from tandem.pipeline.evaluation.run import Run
    from tandem.platform.cluster import Cluster
    from tandem.platform.models.services import Found, Written

# The pods before serve on meanwhile.
_BACK = "tandem models rollback goes back"
_HOW = Writing()


@writing
def deploy(
    name: NameArgument,
    revision: RevisionOption = None,
    config: ConfigOption = None,
    how: Writing = _HOW,
) -> None:
    """Run a model as a candidate beside the one that serves: nobody is answered from it until it is promoted.

    The version is resolved, access to it, its format and its size are checked, and the difference is shown before anything
    is written. Then it is waited for; stopped, the same command goes on.
    """
    from tandem.app.models import registered

    settings = _settings(config)
    told = registered(settings.models, name)
    with cluster_of("tandem models", how.kubeconfig, how.context, how.namespace) as cluster:
        from tandem.cli.models_won import tried_as
        from tandem.platform.models.deploying import check
        from tandem.platform.models.deploying import deploy as apply
        from tandem.platform.models.kept import candidate_version
        from tandem.platform.models.services import find

        found = find(cluster, how.release)
        version = resolved(settings, name, revision)
        unchecked = check(cluster, found, version)
        if unchecked:
            err.print(f"Not checked: {unchecked}.", style="yellow", markup=False)
        before = None if found.candidate is None else candidate_version(found.candidate)
        if before is not None and before.version != version.version and (known := tried_as(cluster, found, before)):
            err.print(
                f"The candidate is {before.name} now, and the release {known.release} may answer from it.",
                style="yellow", markup=False,
            )  # fmt: skip
        confirm(
            cluster,
            f"deploy {name}@{version.version} as the candidate of {how.release}",
            sure=how.sure,
        )
        written = apply(
            cluster, found, version, quantization=told.quantization, file=told.file, now=now_text(), dry_run=how.dry_run,
            take_over=how.take_over,
        )  # fmt: skip
        _show(written, how)
        if not how.dry_run:
            tell_receipts(cluster, how.release)
        if not how.dry_run and how.timeout_s:
            wait(cluster, written.name, version.version, how.timeout_s, version.weight_bytes)
    if how.output is Output.json:
        print_json(
            {"model": name, "version": version.version, "uri": version.uri, "inference_service": written.name,
             "dry_run": how.dry_run, "ready": bool(how.timeout_s) and not how.dry_run, "diff": written.diff}
        )  # fmt: skip
    elif not how.dry_run:
        out.print(
            f"{written.name} is {'ready' if how.timeout_s else 'on its way'}. Measure it, then let it serve: "
            f"tandem models promote {name}",
            markup=False,
        )


@writing
def promote(
    name: NameArgument,
    results: Annotated[
        Path | None, typer.Option("--results", help="The folder that tandem eval --answers --results wrote to.")
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option("--run", metavar="ID", help="The candidate's run, where its engine does not tell its version."),
    ] = None,
    golden: Annotated[
        Path | None, typer.Option("--golden", help="The questions.", show_default="models.NAME.gate.golden")
    ] = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Promote what the gate refuses; it is remembered.")
    ] = None,
    keep_candidate: Annotated[
        bool, typer.Option("--keep-candidate", help="Leave the candidate, and its GPU, where it is.")
    ] = False,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--url", help="A gateway whose release serves from the candidate: it ends once the predictor has the model."
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    how: Writing = _HOW,
) -> None:
    """Let the candidate's model serve, if its gate lets it: golden questions, against the model that serves.

    The serving pods are replaced one by one and the candidate goes. Of two promotions at once one is refused. With --url a
    release of tandem models follow that has won counts as its gate; it ends, and the candidate goes, when the pods are ready.
    """
    if gateway is not None and not how.timeout_s:
        raise InvalidRequest("A release ends when the predictor is ready.", hint="Pass a --timeout above 0.")
    settings = _settings(config)
    rule, runs = _gate(settings, name, results, golden)
    with cluster_of("tandem models", how.kubeconfig, how.context, how.namespace) as cluster:
        from dataclasses import replace

        from tandem.cli.models_won import tried_as, won
        from tandem.platform.models.gate import Rule, judge
        from tandem.platform.models.kept import candidate_version, kept_of
        from tandem.platform.models.promoting import locked, promoted
        from tandem.platform.models.promoting import promote as apply
        from tandem.platform.models.services import find, remove

        found = find(cluster, how.release)
        candidate = found.candidate
        kept, tried = kept_of(found.serving), candidate_version(candidate or {"spec": found.serving["spec"]})
        winner = None if gateway is None else won(cluster, found, tried, gateway, api_key)
        gate = winner.gate if winner is not None else judge(
            tried, kept.numbered(kept.current), runs, Rule(rule.metric, rule.min_measure, rule.max_drop),
            named=run_id, at=SystemClock().epoch_s(),
        )  # fmt: skip
        entry = promoted(found, name, replace(gate, forced=force if gate.refusals else None))
        answers = None if winner is not None or keep_candidate else tried_as(cluster, found, tried)
        if answers is not None:
            err.print(
                f"The candidate is to stay, since the release {answers.release} may answer from it: --url GATEWAY ends that.",
                style="yellow", markup=False,
            )  # fmt: skip
        confirm(cluster, f"let {entry.name} serve {how.release}", sure=how.sure)
        at_s = SystemClock().epoch_s()

        def write(now: "Found") -> "Written":
            return apply(cluster, now, entry, at_s=at_s, now=now_text(), dry_run=how.dry_run, take_over=how.take_over)

        written = locked(cluster, how.release, found, write)
        _show(written, how)
        if not how.dry_run:
            tell_receipts(cluster, how.release)

        def leave() -> None:
            if candidate is not None and not keep_candidate and answers is None and not remove(cluster, candidate):
                err.print("Another candidate was deployed meanwhile: it stays.", style="yellow")

        if not how.dry_run and winner is None:
            leave()
        if not how.dry_run and how.timeout_s:
            wait(cluster, written.name, entry.version, how.timeout_s, entry.weight_bytes, otherwise=_BACK)
        if not how.dry_run and winner is not None:
            winner.end(f"{entry.name} is the predictor's own model now")
            leave()
    _print_serving(entry.name, written, how, asdict(entry.gate) if entry.gate else None)


@writing
def rollback(how: Writing = _HOW) -> None:
    """Go back to the model that the serving one replaced; again, further back."""
    with cluster_of("tandem models", how.kubeconfig, how.context, how.namespace) as cluster:
        from tandem.platform.models.kept import Deployed
        from tandem.platform.models.promoting import locked
        from tandem.platform.models.promoting import rollback as apply
        from tandem.platform.models.services import find

        found = find(cluster, how.release)
        confirm(cluster, f"roll the model of {how.release} back", sure=how.sure)
        at_s = SystemClock().epoch_s()

        def write(now: "Found") -> "tuple[Written, Deployed]":
            return apply(cluster, now, at_s=at_s, now=now_text(), dry_run=how.dry_run, take_over=how.take_over)

        written, entry = locked(cluster, how.release, found, write)
        _show(written, how)
        if not how.dry_run:
            tell_receipts(cluster, how.release)
        if not how.dry_run and how.timeout_s:
            wait(cluster, written.name, entry.version, how.timeout_s, entry.weight_bytes, otherwise=_BACK)
    _print_serving(entry.name, written, how, None)


def _gate(settings: "Settings", name: str, results: Path | None, golden: Path | None) -> "tuple[ModelGate, list[Run]]":
    """The rule, and the runs on its questions. Raises `ConfigurationError`."""
    from tandem.adapters.evaluations.results import Results
    from tandem.adapters.sources.golden import read_golden
    from tandem.app.models import registered
    from tandem.pipeline.evaluation.run import set_hash

    rule = registered(settings.models, name).gate
    questions = golden or rule.golden
    if results is None or questions is None:
        return rule, []
    if not results.is_dir():
        raise ConfigurationError(
            f"There is no folder {results}.", hint="tandem eval GOLDEN --answers --results DIR makes it."
        )
    return rule, Results(results).runs(set_hash(read_golden(questions)))


def _print_serving(name: str, written: "Written", how: Writing, gate: dict[str, Any] | None) -> None:
    if how.output is Output.json:
        print_json(
            {"serves": name, "inference_service": written.name, "dry_run": how.dry_run, "gate": gate, "diff": written.diff}
        )  # fmt: skip
        return
    if not how.dry_run:
        out.print(f"{name} serves now.", markup=False)
        if gate is not None and gate["forced"] is not None:
            err.print("The gate refused it; it was forced.", style="yellow")


def _show(written: "Written", how: Writing) -> None:
    """The difference; nothing is lost when it is piped away, since it is also in the JSON."""
    if how.output is Output.json:
        return
    for line in written.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        (out if how.dry_run else err).print(line, style=style, markup=False)
    if not written.diff:
        err.print(f"{written.name} is so already.", markup=False)


def tell_receipts(cluster: "Cluster", release: str) -> None:
    """The model serves whether or not receipts say what it was made from; an API server that has just gone is waited for later."""
    from tandem.platform.models.services import find
    from tandem.platform.models.telling import tell

    try:
        why = tell(cluster, find(cluster, release))
    except TandemError as error:
        why = error.message.rstrip(".")
    if why:
        err.print(f"Receipts will not tell what it was made from: {why}.", style="yellow", markup=False)


def now_text() -> str:
    """The time now, as annotations have it."""
    return datetime.fromtimestamp(SystemClock().epoch_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _settings(config: Path | None) -> "Settings":
    from tandem.app.settings import load_settings

    return load_settings(config)
