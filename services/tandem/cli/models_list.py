"""`tandem models list`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, cluster_of
from tandem.cli.console import Output, OutputOption, err, out, print_json, print_table
from tandem.cli.lineage_shown import when
from tandem.cli.options import ConfigOption

if TYPE_CHECKING:
    from tandem.platform.models.kept import Deployed


def list_models(
    release: Annotated[
        str | None,
        typer.Option("--release", "-r", help="Also what this Helm release has deployed.", show_default=False),
    ] = None,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List the models of the configuration, and what a release serves, tries and has served. No source is asked."""
    from tandem.app.settings import load_settings

    found = load_settings(config).models
    rows = [] if release is None else _deployed(release, kubeconfig, context, namespace)
    if output is Output.json:
        print_json(
            {
                "data": [{"name": name, **each.model_dump(mode="json")} for name, each in found.items()],
                "deployed": [{"state": state, **asdict(each)} for state, each in rows],
            }
        )
        return
    if not found:
        err.print("There are no models in the configuration: docs/registry.md tells how to add one.")
    else:
        print_table(
            ("name", "source", "served from", "data set", "training run"),
            [
                (name, each.source, each.served_from or "", each.dataset or "", each.training_run or "")
                for name, each in found.items()
            ],
        )
    if rows:
        out.print()
        print_table(("state", "model", "promoted", "gate", "data set"), [_row(state, each) for state, each in rows])


def _deployed(
    release: str, kubeconfig: Path | None, context: str | None, namespace: str | None
) -> "list[tuple[str, Deployed]]":
    with cluster_of("tandem models", kubeconfig, context, namespace) as cluster:
        from tandem.platform.models.kept import kept_of
        from tandem.platform.models.lineage import deployed_models
        from tandem.platform.models.services import find

        found = find(cluster, release)
        return list(deployed_models(found, kept_of(found.serving)))


def _row(state: str, each: "Deployed") -> tuple[Any, ...]:
    gate = each.gate
    judged = "" if gate is None else f"forced: {gate.forced}" if gate.forced else f"{gate.metric} {gate.measure}"
    name = f"{each.model}@{each.version.removeprefix('sha256:')[:12]}" if each.model else each.name
    return state, name, when(each.at or None), judged, each.ancestry.dataset or ""
