"""`tandem version`."""

import platform
from importlib import metadata

from tandem.cli.console import Output, OutputOption, out, print_json


def version(output: OutputOption = Output.table) -> None:
    """Print Tandem's version and that of what it runs on."""
    found = {"tandem": metadata.version("tandem-rag"), "python": platform.python_version()}
    if output is Output.json:
        print_json(found)
    else:
        out.print(f"tandem {found['tandem']} (Python {found['python']})")
