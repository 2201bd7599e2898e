"""`/openapi.json`, and `/docs` as one small page without scripts: it works offline and under a strict policy."""

import base64
import hashlib
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from tandem.http.reply import json_reply

DOCUMENTATION = ("/openapi.json", "/docs")
_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}h2{margin:2rem 0 .5rem}table{border-collapse:collapse;width:100%}"
    "td{padding:.35rem .75rem .35rem 0;border-top:1px solid #8884;vertical-align:top}"
    "td:first-child{width:5rem;font-weight:600}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"


def documentation_router() -> APIRouter:
    """The API's description for machines and for people."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return json_reply(_application(request).openapi())

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        page = _page(_application(request).openapi())
        return Response(page, media_type="text/html", headers={"content-security-policy": _POLICY})

    return router


def describe(app: FastAPI, *, keys: bool) -> None:
    """Complete FastAPI's description: how to authenticate, and that no route answers 422 to a malformed request."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            _drop_default_faults(schema)
            if keys:
                schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"key": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _application(request: Request) -> FastAPI:
    app: FastAPI = request.scope["app"]
    return app


def _drop_default_faults(schema: dict[str, Any]) -> None:
    for operations in schema["paths"].values():
        for operation in operations.values():
            described = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
            if described.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schema.get("components", {}).get("schemas", {}).pop(name, None)


def _page(schema: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            statuses = ", ".join(operation["responses"])
            row = (
                f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code>"
                f"<br>{escape(operation.get('summary', ''))}<br><small>{escape(statuses)}</small></td></tr>"
            )
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(row)
    tables = "".join(f"<h2>{escape(name)}</h2><table>{''.join(rows)}</table>" for name, rows in groups.items())
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f'<p>Schemas are in <a href="/openapi.json">openapi.json</a>.</p>{tables}</html>'
    )
