"""Points in time as people tell them to a command."""

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

Instant = Annotated[str | None, typer.Option(metavar="TIME", help="2026-03-01, 2026-03-01T12:00, or ago: 30m, 2h, 7d.")]
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def instant(said: str | None, option: str) -> float | None:
    """Seconds since 1970. Raises `typer.BadParameter`."""
    from tandem.app.clock import SystemClock

    if said is None:
        return None
    ago = _AGO.fullmatch(said)
    if ago is not None:
        return SystemClock().epoch_s() - float(ago[1]) * _SECONDS[ago[2]]
    try:
        read = datetime.fromisoformat(said)
    except ValueError as error:
        raise typer.BadParameter("give a time such as 2026-03-01T12:00, or 2h", param_hint=option) from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
