"""`tandem models follow`: a newer version in the registry becomes a candidate, is measured, and begins to be tried."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, cluster_of, confirm
from tandem.cli.console import Output, OutputOption, err, out, print_json
from tandem.cli.model_writing import ReleaseOption, TakeOverOption
from tandem.cli.models import NameArgument, resolved
from tandem.cli.options import ApiKeyOption, ConfigOption
from tandem.cli.release import MODE_HELP, WEIGHT_HELP, Mode
from tandem.domain.errors import ConfigurationError, TandemError

if TYPE_CHECKING:
    from rich.console import Console

    from tandem.app.settings import Settings
    from tandem.cli.models_trying import Ended
    from tandem.domain.model_version import ModelVersion


def follow(
    name: NameArgument,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--url", envvar="TANDEM_URL", help="A gateway: a version that passes is tried as a release there."
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    pool: Annotated[
        str | None, typer.Option("--pool", help="The gateways' pool that leads to the candidate.", show_default=False)
    ] = None,
    weight: Annotated[float, typer.Option(help=WEIGHT_HELP)] = 0.1,
    mode: Annotated[Mode, typer.Option(help=MODE_HELP)] = Mode.canary,
    manual: Annotated[bool, typer.Option("--manual", help="People decide on the release.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also a version that was tried before.")] = False,
    results: Annotated[
        Path | None,
        typer.Option("--results", help="Where measurements are kept.", show_default="data_dir/evaluations"),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64, help="Questions at a time.")] = 4,
    candidate_url: Annotated[
        str | None,
        typer.Option("--candidate-url", help="Where the candidate answers.", show_default="its Service"),
    ] = None,
    serving_url: Annotated[
        str | None,
        typer.Option("--serving-url", help="Where the serving model answers.", show_default="its Service"),
    ] = None,
    release: ReleaseOption = "tandem",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is to be done, and do nothing.")] = False,
    take_over: TakeOverOption = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds to wait until the candidate is ready.")
    ] = 1800.0,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Try the version that the registry has now, unless it serves or was tried: deploy it as the candidate, put the golden
    questions of models.NAME.gate to it, and begin its release (--url, --pool). Run it as often as wanted; a version that has
    come meanwhile is tried next.

    A version that does not pass goes, and is remembered. Exit code 1: it was refused just now, or something is in disorder.
    """
    from tandem.app.models import registered
    from tandem.cli import session
    from tandem.cli.models_trying import Asked, Ended, Trying

    settings = session.settings_for(config, None, None, None)
    rule = registered(settings.models, name).gate
    if rule.golden is None:
        raise ConfigurationError(
            f"Nothing says what {name} is measured by.", hint=f"Set models.{name}.gate.golden to golden questions."
        )
    if (pool is None) != (gateway is None):
        raise ConfigurationError(
            "A release takes both a gateway and the pool that leads to the candidate.", hint="Pass --url and --pool."
        )
    asked = Asked(
        name, release, gateway, api_key, pool, weight, mode.value, manual, again, take_over, timeout_s, concurrency,
        results or settings.data_dir / "evaluations", candidate_url, serving_url,
    )  # fmt: skip
    with cluster_of("tandem models", kubeconfig, context, namespace) as cluster:
        version, fails = resolved(settings, name, None), False
        while True:
            trying = Trying(cluster, settings, asked, rule.golden)
            stands = trying.stands(version)
            if dry_run or not stands.acts:
                ended = Ended(stands.state, stands.why) if dry_run else trying.act(version, stands)
                break
            confirm(cluster, f"try {name}@{version.version} as the candidate of {release}", sure=context is not None)
            ended = trying.act(version, stands)
            fails = fails or ended.fails
            # That took its time, in which nobody else is begun for a newer one.
            newest = _newest(settings, version)
            if newest.version == version.version:
                break
            _tell(version, ended, err)
            version = newest
    if output is Output.json:
        print_json(
            {"model": name, "version": version.version, "state": ended.state, "why": ended.why,
             "gate": None if ended.gate is None else asdict(ended.gate), "release": ended.release or None,
             "dry_run": dry_run}
        )  # fmt: skip
    else:
        _tell(version, ended, out)
    if fails:
        raise typer.Exit(1)


def _newest(settings: "Settings", version: "ModelVersion") -> "ModelVersion":
    """What the registry has by now; where it cannot tell, the next run learns it."""
    try:
        return resolved(settings, version.name, None)
    except TandemError as error:
        err.print(f"Whether there is a newer one is not known: {error.message}", style="yellow", markup=False)
        return version


def _tell(version: "ModelVersion", ended: "Ended", to: "Console") -> None:
    to.print(f"{version.name}@{version.version}: {ended.state}, {ended.why}", markup=False)
