"""`tandem models show|pull`, and the group that the other commands of models are in."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_facts, print_json, run
from tandem.cli.options import ConfigOption, DataDirOption

if TYPE_CHECKING:
    from tandem.app.settings import Settings
    from tandem.domain.model_version import ModelVersion

app = typer.Typer(
    help="See models of the registry, bring one to Kubernetes, let it serve, and tell what it was made from.",
    no_args_is_help=True,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A model of the configuration (models.NAME).")]
RevisionOption = Annotated[
    str | None,
    typer.Option("--revision", help="A branch, tag, alias or version.", show_default="that of the configuration"),
]


@app.command()
def show(
    name: NameArgument,
    revision: RevisionOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Resolve a model to the version that stays, and print it: files, format, size, what it was made from.

    Fails when the revision does not exist, or may not be read.
    """
    settings = _settings(config)
    version = resolved(settings, name, revision)
    if output is Output.json:
        print_json(body(version))
    else:
        print_version(version)


@app.command()
def pull(
    name: NameArgument,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Where to put it: a folder that is not there, or empty.",
            show_default="data_dir/models/NAME/VERSION",
        ),
    ] = None,
    revision: RevisionOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Bring a version's files to this machine. The folder is there when all of it is; a second pull of it does nothing."""
    from tandem.app.models import model_source, registered, with_told
    from tandem.app.pulling import default_folder
    from tandem.app.pulling import pull as bring

    settings = _settings(config, data_dir)
    told = registered(settings.models, name)
    source = model_source(name, told, revision)

    async def work() -> tuple["ModelVersion", Path, bool]:
        version = with_told(told, await source.resolve())
        target = default_folder(settings.data_dir, version) if to is None else to.resolve()
        with bytes_progress("pulling") as tell:
            return version, target, await bring(source, version, target, tell)

    version, target, new = run(work())
    if output is Output.json:
        print_json({**body(version), "path": str(target), "new": new})
    else:
        out.print(f"{name}@{version.version} {'is in' if new else 'was there already:'} {target}", markup=False)


def resolved(settings: "Settings", name: str, revision: str | None) -> "ModelVersion":
    """Asked of its source, with what the configuration adds."""
    from tandem.app.models import model_source, registered, with_told

    told = registered(settings.models, name)
    return with_told(told, run(model_source(name, told, revision).resolve()))


def body(version: "ModelVersion") -> dict[str, Any]:
    """As `-o json` prints it."""
    return {**asdict(version), "format": version.format, "weight_bytes": version.weight_bytes}


def print_version(version: "ModelVersion") -> None:
    """All that is known of it, a line each."""
    size = version.weight_bytes
    ancestry = version.ancestry
    facts = {
        "model": version.name,
        "source": version.source + (f" at {version.asked}" if version.asked else ""),
        "version": version.version,
        "served from": version.uri or f"nowhere: {version.unserved}",
        "format": version.format,
        "weights": f"{len(version.weights)} files" + ("" if size is None else f", {gigabytes(size)}"),
        "restricted": "yes, and these credentials may read it" if version.gated else "",
        "context": f"{version.shape.context_tokens} tokens" if version.shape and version.shape.context_tokens else "",
        "data set": ancestry.dataset,
        "made by": ancestry.training_run,
        "base model": ancestry.base_model,
    }
    print_facts(facts)


def gigabytes(size: int) -> str:
    """As people write it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def bytes_progress(what: str) -> Any:
    """A bar on a terminal; a context that yields `tell(done, total)`."""
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def _settings(config: Path | None, data_dir: Path | None = None) -> "Settings":
    from tandem.app.settings import load_settings

    return load_settings(config, data_dir=data_dir)
