"""`tandem ask`."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.options import DEFAULT_URL, ApiKeyOption, UrlOption
from tandem.domain.errors import UpstreamFailed, UpstreamUnavailable


@dataclass(slots=True)
class _Answer:
    text: str = ""
    tandem: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)


def ask(
    question: Annotated[str, typer.Argument(help="Your question.")],
    collection: Annotated[str | None, typer.Option("--collection", help="Collection to answer from.")] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=50, help="Passages to answer from.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer.")] = None,
    model: Annotated[str, typer.Option("--model", help="Model to name in the request.")] = "tandem",
    url: UrlOption = DEFAULT_URL,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Ask a running Tandem; the answer streams, its citations follow."""
    options = {"collection": collection, "top_k": top_k}
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tandem": {key: value for key, value in options.items() if value is not None},
    }
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    answer = run(_ask(url, api_key, body, echo=output is Output.table))
    if output is Output.json:
        print_json({"answer": answer.text, **answer.tandem, "usage": answer.usage})
    else:
        _print_sources(answer)


async def _ask(url: str, api_key: str | None, body: dict[str, Any], *, echo: bool) -> _Answer:
    answer = _Answer()
    async for event in _events(url, api_key, body):
        if "error" in event:
            raise UpstreamFailed(event["error"].get("message", "The answer broke off."))
        answer.usage = event.get("usage") or answer.usage
        answer.tandem = event.get("tandem") or answer.tandem
        for choice in event.get("choices", ()):
            piece = choice.get("delta", {}).get("content") or ""
            answer.text += piece
            if echo and piece:
                sys.stdout.write(piece)
                sys.stdout.flush()
    if echo:
        sys.stdout.write("\n")
    return answer


async def _events(url: str, api_key: str | None, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    import aiohttp
    import orjson

    from tandem.generation.sse import SseParser

    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=180)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(f"{url.rstrip('/')}/v1/chat/completions", json=body) as reply,
        ):
            if reply.status != 200:
                raise UpstreamFailed(_message(await reply.read(), reply.status))
            parser, whole = SseParser(), False
            async for piece in reply.content.iter_any():
                for data in parser.feed(piece):
                    whole = whole or data == b"[DONE]"
                    if data != b"[DONE]":
                        event = orjson.loads(data)
                        whole = whole or "error" in event
                        yield event
            if not whole:
                raise UpstreamFailed("The answer was cut short.", hint="See the server's log.")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamUnavailable(
            f"No Tandem answers at {url}: {str(error) or type(error).__name__}.",
            hint="Start one with scripts/run (or tandem serve), or name it with --url.",
        ) from error


def _message(body: bytes, status: int) -> str:
    import orjson

    try:
        return str(orjson.loads(body)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"The server answered {status}."


def _print_sources(answer: _Answer) -> None:
    citations = answer.tandem.get("citations", [])
    if citations:
        out.print()
    for citation in citations:
        place = " > ".join(citation["title_path"]) or citation["title"]
        page = f", page {citation['page']}" if citation.get("page") else ""
        out.print(f"[{citation['number']}] {citation['document_id']}{page}  {place}", markup=False)
        out.print(f"    “{' '.join(citation['quote'].split())}”", markup=False, style="dim")
    told = [
        f"{answer.tandem.get('model')}",
        f"prompt {answer.tandem.get('prompt')}",
        *answer.tandem.get("degraded", []),
    ]
    err.print(" · ".join(told), style="dim", markup=False)
