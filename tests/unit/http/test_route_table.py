"""Labels that no request can make up, and the methods of a path."""

import pytest
from fastapi import APIRouter
from starlette.routing import Mount, Route

from tandem.http.route_table import RouteTable


async def nothing() -> None:
    """An endpoint."""


def table() -> RouteTable:
    router = APIRouter()
    router.add_api_route("/v1/things", nothing, methods=["GET"])
    router.add_api_route("/v1/things", nothing, methods=["PUT"])
    router.add_api_route("/v1/things/{thing:path}", nothing, methods=["GET"])
    router.add_api_route("/v1/names/{name}", nothing, methods=["DELETE"])
    return RouteTable([*router.routes, Mount("/ui", routes=[Route("/x", nothing)])])


@pytest.mark.parametrize(
    ("path", "label", "allowed"),
    [
        ("/v1/things", "/v1/things", "GET, PUT"),
        ("/v1/things/", "/v1/things/{thing:path}", "GET"),
        ("/v1/things/a/b", "/v1/things/{thing:path}", "GET"),
        ("/v1/names/a", "/v1/names/{name}", "DELETE"),
        ("/v1/names/a/b", "unmatched", None),
        ("/v1/names/{name}/x", "unmatched", None),
        ("/ui/a.css", "/ui/{path:path}", "GET, HEAD"),
        ("/v2", "unmatched", None),
        ("", "unmatched", None),
    ],
)
def test_label_and_methods(path: str, label: str, allowed: str | None) -> None:
    assert (table().label(path), table().allowed(path)) == (label, allowed)
