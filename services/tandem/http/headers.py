"""Reading a header straight from the ASGI scope."""

from starlette.types import Scope


def header(scope: Scope, name: str) -> str | None:
    """The first value of a header (`name` in lower case), None when it was not sent."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)
