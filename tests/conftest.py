"""What all tests share: the quick layers first, no sockets in unit tests, and the folder of larger sets beside the repository."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
# What fails early should be what is quick to mend.
_LAYERS = ("architecture", "unit", "contract", "component", "e2e")

# The machine may be busy: how long one example takes says nothing about the code.
settings.register_profile("tandem", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tandem")


def _layer(path: Path) -> str:
    parts = path.relative_to(ROOT / "tests").parts
    return parts[0] if len(parts) > 1 else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Layer by layer; within a layer the order stays."""
    order = {name: place for place, name in enumerate(_LAYERS)}
    items.sort(key=lambda item: order.get(_layer(item.path), len(_LAYERS)))


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """A unit test that opens a socket fails. The event loop's own socket pair is no network."""
    if _layer(request.path) != "unit":
        yield
        return
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def shared() -> Path:
    """`../shared`: larger labelled sets and sample files that are no part of the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared folder beside the repository: put the labelled sets and sample files there")
    return folder
