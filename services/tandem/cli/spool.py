"""`tandem spool show|refused`: what lies in the spool of prompt monitoring."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, out, print_json, print_table
from tandem.cli.options import ConfigOption, DataDirOption

app = typer.Typer(help="Look into the spool, where records of answers wait for their sinks.", no_args_is_help=True)


@app.command()
def show(config: ConfigOption = None, data_dir: DataDirOption = None, output: OutputOption = Output.table) -> None:
    """Print its size, how many records each sink has not got, and what was put aside."""
    from tandem.adapters.spool.looking import look

    state = look(_folder(config, data_dir))
    if output is Output.json:
        print_json(dataclasses.asdict(state))
        return
    out.print(f"{state.folder}: {state.bytes} bytes in {state.segments} segments; {state.quarantined} damaged pieces")
    print_table(("sink", "waiting", "refused"), [(each.sink, each.waiting, each.refused) for each in state.sinks])


@app.command()
def refused(
    sink: Annotated[str | None, typer.Option("--sink", help="Of this one alone.", show_default="all sinks")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print the records that a sink will never take, with the reason; `-o json`: whole, one on a line."""
    from tandem.adapters.spool.looking import refused_records

    found = refused_records(_folder(config, data_dir), sink)
    if output is Output.json:
        for each in found:
            print_json(dataclasses.asdict(each))
        return
    rows = [(each.sink, _time(each.refused_at), each.record.get("id"), each.reason) for each in found]
    print_table(("sink", "refused", "record", "reason"), rows)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _folder(config: Path | None, data_dir: Path | None) -> Path:
    from tandem.app.settings import load_settings

    settings = load_settings(config, data_dir=data_dir)
    return settings.monitor.spool.dir or settings.data_dir / "monitor"
