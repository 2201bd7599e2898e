"""`tandem doctor`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.app.clock import SystemClock
from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, ReleaseOption, cluster_of, confirm
from tandem.cli.console import Output, OutputOption, err, out, print_json

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster
    from tandem.platform.facts import Facts, Tried
    from tandem.platform.findings import Finding
    from tandem.platform.planned import Planned

_COLOURS = {"problem": "bold red", "note": "yellow"}


def doctor(
    release: ReleaseOption = "tandem",
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    values: Annotated[
        list[Path] | None,
        typer.Option(
            "--values",
            "-f",
            help="Before installing: what this values file would need of the cluster. May be given again.",
            show_default=False,
        ),
    ] = None,
    chart: Annotated[
        str, typer.Option("--chart", help="With --values: the chart, a folder or oci:// address.")
    ] = "charts/tandem",
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also try paths, names, the image and the model hub, from short-lived pods with the workloads' labels.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --probe: do not ask whether the cluster is the right one.")
    ] = False,
    output: OutputOption = Output.table,
) -> None:
    """Say what is wrong with a release on Kubernetes, or with a cluster for one, and what to do; exit code 1 when something is.

    Only reads, except for --probe. Secrets are looked up by name, their values are not asked for.
    """
    with cluster_of("tandem doctor", kubeconfig, context, namespace) as cluster:
        from tandem.platform.doctor import Look, diagnose

        if probe:
            confirm(cluster, "make short-lived pods", sure=yes or context is not None)
        found = diagnose(
            cluster, release, Look(SystemClock().epoch_s, _plan(values, chart, release, cluster), _probe(probe))
        )
        place = {
            "release": release,
            "namespace": cluster.namespace,
            "context": cluster.context,
            "server": cluster.address,
        }
    if output is Output.json:
        print_json({**place, "findings": [asdict(finding) for finding in found]})
    else:
        _print(found)
    problems = sum(finding.severity == "problem" for finding in found)
    where = f"{place['namespace']}{f' of context {cluster.context}' if cluster.context else ''}"
    err.print(f"{release} in {where}: {_count(problems, 'problem')}, {_count(len(found) - problems, 'note')}")
    raise typer.Exit(1 if problems else 0)


def _plan(values: list[Path] | None, chart: str, release: str, cluster: "Cluster") -> "Callable[[str], Planned] | None":
    from tandem.platform.planned import plan

    return partial(plan, values, chart, release, cluster.namespace) if values else None


def _probe(wanted: bool) -> "Callable[[Cluster, Facts], tuple[Tried, ...]] | None":
    from tandem.platform.probing import probe

    return probe if wanted else None


def _print(found: "Sequence[Finding]") -> None:
    for finding in found:
        out.print(f"[{_COLOURS[finding.severity]}]{finding.severity:8}[/]", end="")
        more = f" (and {len(finding.alike)} more)" if finding.alike else ""
        out.print(f"{finding.subject}{more}: {finding.problem.rstrip('.')}. Fix: {finding.fix}", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
