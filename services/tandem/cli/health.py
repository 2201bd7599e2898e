"""`tandem health`."""

from typing import Any

import typer

from tandem.cli.console import Output, OutputOption, out, print_json, run
from tandem.cli.options import DEFAULT_URL, UrlOption


def health(url: UrlOption = DEFAULT_URL, output: OutputOption = Output.table) -> None:
    """Ask a running Tandem whether it is ready; exit code 1 when it is not."""
    found = run(_health(url))
    if output is Output.json:
        print_json(found)
    else:
        out.print(f"{url}: {found['status']}")
    raise typer.Exit(0 if found["ready"] else 1)


async def _health(url: str) -> dict[str, Any]:

    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{url.rstrip('/')}/readyz") as reply,
        ):
            body: dict[str, Any] = await reply.json(content_type=None)
            return {**body, "url": url, "status": body.get("status", str(reply.status)), "ready": reply.status == 200}
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        return {"url": url, "status": f"unreachable ({str(error) or type(error).__name__})", "ready": False}
