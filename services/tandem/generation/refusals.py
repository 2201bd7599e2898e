"""What an answer that is no stream of tokens means, as far as HTTP alone tells."""

from tandem.domain.errors import Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.ports.wire import Answer, Reply

_KEY = "Check the api_key that is configured for it."
_ADDRESS = "Check its url and protocol in the configuration."
_HINTS = {
    401: _KEY,
    403: _KEY,
    404: _ADDRESS,
    405: _ADDRESS,
}
_MOVED = range(300, 400)
# What a proxy says when there is nobody behind it, or nobody who answers in time.
AWAY = frozenset({408, 502, 503, 504})
# A page or a document: a wrong address, or a server that does not know `stream`.
_NO_STREAM = frozenset({"text/html", "application/json"})
_RETRY_AFTER_S = 1.0


def overloaded(message: str, answer: Answer) -> Overloaded:
    """Back-pressure, with the wait that it asks for."""
    return Overloaded(message, retry_after_s=_RETRY_AFTER_S if answer.retry_after_s is None else answer.retry_after_s)


def by_status(answer: Answer, message: str) -> TandemError:
    """An answer whose body explains no more than `message`."""
    if answer.status in AWAY:
        return UpstreamUnavailable(
            f"The predictor is not available ({answer.status}): {message}", retry_after_s=answer.retry_after_s
        )
    hint = "Give the address that it redirects to." if answer.status in _MOVED else _HINTS.get(answer.status)
    failed = UpstreamFailed(f"The predictor answered {answer.status}: {message or 'nothing more'}", hint=hint)
    failed.elsewhere = answer.status >= 500
    return failed


def check_stream(reply: Reply) -> None:
    """Raises `UpstreamFailed` for a 200 that is a page or a document. Other types pass: not every server names its own."""
    if reply.content_type in _NO_STREAM:
        raise UpstreamFailed(
            f"The predictor answered with {reply.content_type} instead of a stream.",
            hint=_ADDRESS,
        )
