"""What a Qdrant server answers when it cannot, in Tandem's words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx  # noqa: TID251 - what qdrant-client speaks through; its errors are told apart here
from grpc import StatusCode
from grpc.aio import AioRpcError
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.context_headers import headers
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tandem.adapters.qdrant.naming import unknown
from tandem.domain.errors import Overloaded, StoreFull, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.steps import trace_headers

_AWAY = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED})
_GATEWAY_STATUSES = frozenset({502, 503, 504})


@asynccontextmanager
async def translated(collection: str = "") -> AsyncIterator[None]:
    """Errors of qdrant-client, over any of its transports, as Tandem's; the server is told the span that it is called by."""
    try:
        with headers(trace_headers()):
            yield
    except ResourceExhaustedResponse as error:
        raise Overloaded("The Qdrant server limits requests.", retry_after_s=error.retry_after_s) from error
    except ResponseHandlingException as error:
        raise _of_exchange(error.source) from error
    except UnexpectedResponse as error:
        raise _of_rest(collection, error) from error
    except AioRpcError as error:
        raise _of_grpc(collection, error) from error
    except QdrantException as error:
        # The same, with a Retry-After that is not in seconds.
        raise Overloaded("The Qdrant server limits requests.") from error
    except (ValueError, AssertionError) as error:
        # The in-memory engine knows no other error; over the wire it is an answer that is not Qdrant's.
        raise _of_value(collection, str(error)) from error


def broke(error: UpstreamUnavailable) -> bool:
    """True when a connection that stood went away: a read may be made again on another one."""
    cause = error.__cause__
    if isinstance(cause, ResponseHandlingException):
        return isinstance(cause.source, httpx.NetworkError | httpx.RemoteProtocolError) and not isinstance(
            cause.source, httpx.ConnectError
        )
    return isinstance(cause, AioRpcError) and cause.code() is StatusCode.UNAVAILABLE


def _of_exchange(source: Exception) -> TandemError:
    said = str(source) or type(source).__name__
    if isinstance(source, ValidationError):
        return UpstreamFailed(f"What answers is not Qdrant: {said[:300]}", hint="Check vectors.url.")
    return _away(said)


def _of_value(collection: str, said: str) -> TandemError:
    if collection and said.startswith(f"Collection {collection} not found"):
        return unknown(collection)
    return UpstreamFailed(f"What answers is not Qdrant: {said[:300]}", hint="Check vectors.url.")


def _of_rest(collection: str, error: UnexpectedResponse) -> TandemError:
    said = error.content.decode("utf-8", "replace")[:300]
    if error.status_code == 404:
        return unknown(collection)
    if error.status_code == 429:
        return Overloaded("The Qdrant server limits requests.")
    if error.status_code in _GATEWAY_STATUSES:
        told = error.headers.get("retry-after", "")
        return _away(f"status {error.status_code}", float(told) if told.isdecimal() else None)
    return _failed(said, refused=error.status_code in {401, 403})


def _of_grpc(collection: str, error: AioRpcError) -> TandemError:
    said = (error.details() or error.code().name)[:300]
    if error.code() is StatusCode.NOT_FOUND:
        return unknown(collection)
    if error.code() is StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded("The Qdrant server limits requests.")
    if error.code() in _AWAY:
        return _away(said)
    return _failed(said, refused=error.code() in {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED})


def _away(said: str, retry_after_s: float | None = None) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"The Qdrant server cannot be reached: {said}.",
        hint="Check vectors.url and that the server runs.",
        retry_after_s=retry_after_s,
    )


def _failed(said: str, *, refused: bool) -> TandemError:
    if refused:
        return UpstreamFailed("The Qdrant server refused the API key.", hint="Check vectors.api_key.")
    if "No space left" in said or "disk space" in said:
        return StoreFull("The Qdrant server has no space left.", hint="Free some space on its volume.")
    return UpstreamFailed(f"The Qdrant server failed: {said}")
