"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="TANDEM_CONFIG", help="Configuration file (tandem.yaml).", show_default=False
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where embedded stores live.", show_default="data_dir of the configuration"),
]
UrlOption = Annotated[str, typer.Option("--url", envvar="TANDEM_URL", help="A running Tandem gateway.")]
PeerUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="TANDEM_URL",
        help="Go through a running Tandem instead of opening the store here.",
        show_default="the configuration's store",
    ),
]
ApiKeyOption = Annotated[
    str | None, typer.Option("--api-key", envvar="TANDEM_API_KEY", help="Bearer key for --url.", show_default=False)
]
CollectionOption = Annotated[
    str | None,
    typer.Option("--collection", help="Collection to use.", show_default="retrieval.collection of the configuration"),
]
