"""`tandem doctor`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json
from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tandem.platform.findings import Finding

_COLOURS = {"problem": "bold red", "note": "yellow"}


def doctor(
    release: Annotated[str, typer.Option("--release", "-r", help="The Helm release to look at.")] = "tandem",
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Where it is.", show_default="the context's namespace")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="Context of the kubeconfig.", show_default="the current one")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Kubeconfig file.", show_default="KUBECONFIG, ~/.kube/config")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Say what is wrong with a release on Kubernetes and what to do; exit code 1 when something is.

    Only reads. Secrets are looked up by name, their values are not asked for.
    """
    try:
        from tandem.platform.cluster import opened
        from tandem.platform.doctor import diagnose
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "tandem doctor needs the Kubernetes client.", hint="pip install 'tandem-rag[platform]'"
        ) from error

    with opened(kubeconfig, context, namespace) as cluster:
        found = diagnose(cluster, release)
        place = {"release": release, "namespace": cluster.namespace, "server": cluster.address}
    if output is Output.json:
        print_json({**place, "findings": [asdict(finding) for finding in found]})
    else:
        _print(found)
    problems = sum(finding.severity == "problem" for finding in found)
    err.print(
        f"{release} in {place['namespace']}: {_count(problems, 'problem')}, {_count(len(found) - problems, 'note')}"
    )
    raise typer.Exit(1 if problems else 0)


def _print(found: "Sequence[Finding]") -> None:
    for finding in found:
        out.print(f"[{_COLOURS[finding.severity]}]{finding.severity:8}[/]", end="")
        more = f" (and {len(finding.alike)} more)" if finding.alike else ""
        out.print(f"{finding.subject}{more}: {finding.problem.rstrip('.')}. Fix: {finding.fix}", markup=False)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
