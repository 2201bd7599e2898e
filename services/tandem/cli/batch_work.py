"""`tandem batch work`."""

from typing import Annotated

import typer

from tandem.cli.console import err, run
from tandem.cli.options import ConfigOption, DataDirOption


def work(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="A batch, batch_…")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Answer the lines of one batch until it is over, as the pods of its Job do. Exit code 1 when told to stop before."""
    from tandem.app.batch_work import work_on
    from tandem.app.settings import load_settings
    from tandem.observe.logs import configure_logging

    settings = load_settings(config, data_dir=data_dir)
    log = settings.log
    configure_logging(log.level, log.format, room=log.queue_lines, content=log.content)
    over = run(work_on(settings, batch_id, lambda line: err.print(line, markup=False)))
    raise typer.Exit(0 if over else 1)
