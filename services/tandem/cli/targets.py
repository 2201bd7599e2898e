"""`tandem targets`."""

from tandem.cli.console import Output, OutputOption, print_json, print_table


def targets(output: OutputOption = Output.table) -> None:
    """List what one process can be."""
    from tandem.app.targets import TARGETS

    rows = [{"target": name, "port": target.port, "serves": target.summary} for name, target in TARGETS.items()]
    if output is Output.json:
        print_json(rows)
    else:
        print_table(("target", "port", "serves"), [tuple(row.values()) for row in rows])
