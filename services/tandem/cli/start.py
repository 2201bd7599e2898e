"""The first thing the `tandem` command does: from here on SIGTERM ends it, whatever else it is still busy starting."""

import signal
import sys

_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Entry point. Whoever has something to finish first, such as a server with requests, takes the signal over later.

    A container's first process has no default action for signals: the kernel drops those it has no handler for. A pod that
    was deleted while it imported its libraries would so stay until its grace period is over, minutes later.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    # Half a second's worth of libraries.
    from tandem.cli.main import main as command

    command()
