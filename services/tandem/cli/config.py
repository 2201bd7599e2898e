"""`tandem config check|show|schema|hash-key`."""

import hashlib
import sys
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, out, print_json
from tandem.cli.options import ConfigOption

app = typer.Typer(help="Check, print and describe the configuration.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Read file and environment; exit code 1 and one line when something is wrong."""
    from tandem.app.settings import load_settings

    load_settings(config)
    out.print("The configuration is valid.")


@app.command()
def show(
    config: ConfigOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Print the configuration in force, secrets masked, as tandem.yaml (or JSON)."""
    import yaml

    from tandem.app.settings import load_settings

    shown = load_settings(config).model_dump(mode="json", exclude_defaults=changed)
    if output is Output.json:
        print_json(shown)
    else:
        sys.stdout.write(yaml.safe_dump(shown, sort_keys=False) if shown else "{}\n")


@app.command()
def schema() -> None:
    """Print the JSON Schema of tandem.yaml."""
    from tandem.app.settings import Settings

    print_json(Settings.model_json_schema())


@app.command("hash-key")
def hash_key(
    key: Annotated[str, typer.Option(prompt=True, hide_input=True, help="The API key; asked for when not given.")],
) -> None:
    """Print the hash of an API key, for auth.keys[].sha256."""
    out.print(hashlib.sha256(key.encode()).hexdigest())
