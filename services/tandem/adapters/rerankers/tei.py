"""A cross-encoder behind text-embeddings-inference's `POST /rerank`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Passage
from tandem.domain.steps import trace_headers

_CONNECT_S = 2.0
# What a TEI takes in one call unless told otherwise; a pair's score does not depend on its company.
_TEXTS_PER_CALL = 32
_AWAY = frozenset({502, 503, 504})


class _Rank(BaseModel):
    model_config = ConfigDict(frozen=True)

    index: int
    score: float


_RANKS = TypeAdapter(list[_Rank])


class TeiReranker:
    """Scores as the server gives them: 0…1 with TEI's default sigmoid."""

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float, now_s: Callable[[], float]) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/rerank"
        self._timeout_s = timeout_s
        self._now_s = now_s

    @property
    def name(self) -> str:
        """The protocol; which model answers is the server's affair."""
        return "tei"

    async def score(self, question: str, passages: Sequence[Passage], context: RequestContext) -> list[float]:
        """See the port. Raises `DeadlineExceeded`, `Overloaded`, `UpstreamUnavailable`, `UpstreamFailed`."""
        texts = [passage.chunk.text for passage in passages]
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            scores += await self._call(question, texts[start : start + _TEXTS_PER_CALL], context)
        return scores

    async def _call(self, question: str, texts: Sequence[str], context: RequestContext) -> list[float]:
        left_s = None if context.deadline_s is None else context.deadline_s - self._now_s()
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded("rerank")
        limit = asyncio.timeout(self._timeout_s if left_s is None else min(self._timeout_s, left_s))
        body = {"query": question, "texts": list(texts), "truncate": True}
        try:
            async with (
                limit,
                self._session.post(
                    self._url,
                    json=body,
                    headers=_headers(context, left_s),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                    allow_redirects=False,
                ) as reply,
            ):
                content = await reply.read()
                if reply.status != 200:
                    raise _failure(reply.status, content)
        except TimeoutError as error:
            if left_s is not None and left_s <= self._timeout_s and limit.expired():
                raise DeadlineExceeded("rerank") from error
            waited_s = self._timeout_s if limit.expired() else _CONNECT_S
            raise UpstreamUnavailable(f"The reranker did not answer in {waited_s:.1f} s.") from error
        except aiohttp.ClientError as error:
            raise UpstreamUnavailable(
                f"The reranker cannot be reached: {str(error) or type(error).__name__}.", hint="Check reranker.url."
            ) from error
        return _in_order(content, len(texts))


@asynccontextmanager
async def tei_reranker(
    url: str, *, timeout_s: float = 5.0, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[TeiReranker]:
    """The reranker at `url`; connects when first used. `now_s` is the clock that deadlines are told by."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield TeiReranker(session, url, timeout_s, now_s)


def _headers(context: RequestContext, left_s: float | None) -> dict[str, str]:
    headers = {"x-request-id": context.request_id, **trace_headers()}
    if left_s is not None:
        # TEI itself pays no heed to it; a proxy before it may.
        headers["x-request-timeout-ms"] = str(max(1, int(left_s * 1000)))
    return headers


def _failure(status: int, content: bytes) -> TandemError:
    if status == 429:
        return Overloaded("The reranker has no room.")
    if status in _AWAY:
        return UpstreamUnavailable(f"The reranker is away: status {status}.")
    said = content[:200].decode("utf-8", "replace")
    return UpstreamFailed(f"The reranker answered {status}: {said}", hint="Is it a TEI with a reranker model?")


def _in_order(content: bytes, count: int) -> list[float]:
    """TEI answers best first; `index` says which text a score is for."""
    try:
        scores = {rank.index: rank.score for rank in _RANKS.validate_json(content)}
        return [scores[index] for index in range(count)]
    except (ValidationError, KeyError) as error:
        raise UpstreamFailed(
            "The reranker's answer cannot be read.", hint="Is it a TEI with a reranker model?"
        ) from error
