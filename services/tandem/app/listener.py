"""The socket a process listens on, bound before anything else is opened, so that a taken port costs nothing."""

import errno
import socket

from tandem.domain.errors import ConfigurationError


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


def url_of(listener: socket.socket) -> str:
    """The URL a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{shown}:{port}"
