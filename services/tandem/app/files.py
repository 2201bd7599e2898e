"""How many files and sockets this process may hold, and how many clients that is room for."""

import logging
import resource

_log = logging.getLogger("tandem.server")
# Stores, models, logs, the pools of connections to peers when nobody is being served.
_OWN_FILES = 256
# A streamed answer holds the client's socket and one to the predictor.
_FILES_PER_CONNECTION = 2
_MOST = 10_000


def file_limit() -> int:
    """The limit, after raising the soft one to what this user may have: shells start programs with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Some systems name a hard limit that they do not grant.
            return soft
    return hard


def connections_within(files: int, wanted: int | None) -> int:
    """`wanted`, 10,000 without a wish, or as many as `files` leave room for (below 0: there is no limit)."""
    room = max(1, (files - _OWN_FILES) // _FILES_PER_CONNECTION) if files >= 0 else _MOST
    if wanted is None:
        return min(room, _MOST)
    if files >= 0 and room < wanted:
        _log.warning("room for %d connections, not %d: the limit on open files is %d", room, wanted, files)
        return room
    return wanted
