"""What is known of one request while it is served; middleware fills it in, routes read it."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Scope

from tandem.domain.context import DEFAULT_TENANT, Progress, RequestContext
from tandem.domain.quota import Standing
from tandem.domain.reader import Reader
from tandem.domain.span import SpanContext

_KEY = "tandem.exchange"


@dataclass(slots=True)
class Exchange:
    """`arrived_s` and `deadline_s` are instants of the injected clock.

    `outcome` replaces the sent status in metrics and log when what happened after it was sent tells more. `standing` is
    what the answer's headers tell of the tenant's quotas; None where none of them counts. `receipt` is the answer's id,
    `example` the id of the request's trace where that is kept in any case, for measures to name.
    """

    request_id: str
    route: str
    arrived_s: float
    span: SpanContext
    deadline_s: float | None = None
    caller: str = "anonymous"
    tenant: str = DEFAULT_TENANT
    groups: tuple[str, ...] = ()
    admin: bool = False
    peer: bool = False
    person: bool = False
    outcome: int | None = None
    standing: Standing | None = None
    receipt: str = ""
    example: str | None = None
    progress: Progress = field(default_factory=Progress)

    def context(self, answer_id: str = "") -> RequestContext:
        """What the core needs to know of it; `answer_id` where it is to be answered, and the answer recorded."""
        self.receipt = answer_id
        return RequestContext(
            self.request_id,
            self.tenant,
            self.deadline_s,
            self.span,
            self.standing,
            self.progress,
            self.groups,
            self.caller,
            answer_id,
        )


def open_exchange(scope: Scope, exchange: Exchange) -> None:
    """Attach it to the request."""
    scope[_KEY] = exchange


def exchange_of(scope: Scope) -> Exchange:
    """The request's exchange."""
    found: Exchange = scope[_KEY]
    return found


def context_of(request: Request) -> RequestContext:
    """The context to call a port with."""
    return exchange_of(request.scope).context()


def reader_of(request: Request) -> Reader:
    """Who asks for something that was kept."""
    exchange = exchange_of(request.scope)
    return Reader(exchange.tenant, exchange.caller, exchange.groups, admin=exchange.admin)
