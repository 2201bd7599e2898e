"""Serves the web page: its few static files, read once, with a policy that lets a browser load nothing else."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

INDEX = "index.html"
THEME = "theme.js"  # the one classic script
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    packed: bytes
    media_type: str
    digest: str


def ui_router() -> APIRouter:
    """`/` and `/ui/{file}`; an unknown file is a 404. Other security headers are the web app's, see `middleware/`."""
    assets = {path.name: _asset(path) for path in Path(__file__).parent.iterdir() if path.suffix in _TYPES}
    # The browser learns of all modules with the page, rather than import by import.
    link = ", ".join(
        f"</ui/{name}>; rel=modulepreload" for name in sorted(assets) if name.endswith(".js") and name != THEME
    )
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _reply(assets[INDEX], request, link=link)

    @router.api_route("/ui/{file}", methods=["GET", "HEAD"])
    async def asset(file: str, request: Request) -> Response:
        if file not in assets:
            raise HTTPException(404)
        return _reply(assets[file], request)

    return router


def _asset(path: Path) -> _Asset:
    body = path.read_bytes()
    return _Asset(
        body, gzip.compress(body, mtime=0), _TYPES[path.suffix], hashlib.blake2b(body, digest_size=12).hexdigest()
    )


def _reply(asset: _Asset, request: Request, **more: str) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    etag = f'"{asset.digest}{"-gz" if packed else ""}"'
    headers = {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        # Names carry no version, so every load asks again; an unchanged file costs one empty 304.
        "cache-control": "no-cache",
        "etag": etag,
        "vary": "accept-encoding",
        **more,
    }
    if _is_known(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(asset.packed if packed else asset.body, media_type=asset.media_type, headers=headers)


def _is_known(if_none_match: str, etag: str) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known
