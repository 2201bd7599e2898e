"""`tandem serve`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tandem.cli.console import run
from tandem.cli.options import ConfigOption, DataDirOption

Target = Literal["all", "gateway", "retriever", "predictor", "worker"]


class Queue(StrEnum):
    """What a worker can take on."""

    ingest = "ingest"
    answers = "answers"
    batches = "batches"
    questions = "questions"


def serve(
    target: Annotated[
        Target, typer.Option("--target", "-t", help="What this process is: see `tandem targets`.")
    ] = "all",
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port; 0 picks a free one.", show_default="8000, predictor 8080"),
    ] = None,
    data_dir: DataDirOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model in this process: extractive, smollm2, a path to a GGUF, or hf://org/repo@revision/file.gguf.",
            show_default="extractive",
        ),
    ] = None,
    ingest: Annotated[
        list[str] | None,
        typer.Option("--ingest", help="File, folder or URL to ingest at start (repeatable).", show_default=False),
    ] = None,
    queues: Annotated[
        list[Queue] | None,
        typer.Option(
            "--queues", help="What a worker takes on (repeatable).", show_default="worker.queues of the configuration"
        ),
    ] = None,
    allow_unauthenticated: Annotated[
        bool, typer.Option("--allow-unauthenticated", help="Bind beyond loopback although no keys are configured.")
    ] = False,
    url_file: Annotated[
        Path | None, typer.Option(help="Write the URL here once listening.", show_default=False)
    ] = None,
) -> None:
    """Serve one target over HTTP until SIGTERM or Ctrl-C, then drain."""
    from tandem.app.serve import Serving
    from tandem.app.settings import load_settings
    from tandem.cli.startup import StartUp

    settings = load_settings(config)
    flags: dict[str, Any] = {"host": host, "port": port, "allow_unauthenticated": allow_unauthenticated or None}
    server = settings.server.model_copy(update={name: value for name, value in flags.items() if value is not None})
    predictor = settings.predictor.model_copy(update={"model": model} if model else {})
    worker = settings.worker.model_copy(update={"queues": frozenset(map(str, queues))} if queues else {})
    settings = settings.model_copy(
        update={"server": server, "predictor": predictor, "worker": worker, "data_dir": data_dir or settings.data_dir}
    )
    run(Serving(settings, target, tuple(ingest or ()), url_file, StartUp()).run())
