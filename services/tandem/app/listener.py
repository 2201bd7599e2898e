"""The socket a process listens on, bound before anything else is opened, so that a taken port costs nothing."""

import contextlib
import errno
import socket
import sys

from tandem.domain.errors import ConfigurationError

_SILENT_S = 60
_PROBE_S = 10
_UNSENT_BYTES = 65_536
# Python 3.11 has no name for it.
_LINUX = {"TCP_NOTSENT_LOWAT": 25} if sys.platform == "linux" else {}


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket; `port` 0 picks a free one. Raises `ConfigurationError` in one line."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigurationError(
            f"The address {host} cannot be resolved: {error.strerror}.", param="server.host"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        # A restart must not wait for the old connections' TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _refused(error, host, port) from error
    return listener


def _refused(error: OSError, host: str, port: int) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {port} on {host} is already in use.", hint="Stop what uses it, or choose another with --port."
        )
    if error.errno == errno.EACCES:
        return ConfigurationError(f"Binding port {port} on {host} is not permitted.", hint="Choose a port above 1023.")
    return ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror}.", hint="Check --host and --port.")


def guard(listener: socket.socket, *, write_timeout_s: float) -> None:
    """What every connection accepted here inherits: a client that vanished is noticed, one that does not read is waited
    for in our own memory rather than in the kernel's, which would take megabytes for each.
    """
    options = {
        (socket.SOL_SOCKET, "SO_KEEPALIVE"): 1,
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE"): _SILENT_S,
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL"): _PROBE_S,
        (socket.IPPROTO_TCP, "TCP_KEEPCNT"): 3,
        # A machine that lost its network acknowledges nothing and sends no FIN. Twice, since the kernel counts a client
        # that does not read as well: the server cuts it off before, and knows why.
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"): round(write_timeout_s * 2000),
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT"): _UNSENT_BYTES,
    }
    for (level, name), value in options.items():
        # Each system has some of them.
        if (option := getattr(socket, name, _LINUX.get(name))) is not None:
            with contextlib.suppress(OSError):
                listener.setsockopt(level, option, value)


def url_of(listener: socket.socket) -> str:
    """The URL a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{shown}:{port}"
