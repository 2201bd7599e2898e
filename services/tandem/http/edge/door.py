"""What all connections of one process share."""

from dataclasses import dataclass

from tandem.http.edge.census import Census
from tandem.http.edge.limits import Limits
from tandem.http.lifecycle import Lifecycle


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, whether anybody still may, and who did."""

    limits: Limits
    lifecycle: Lifecycle
    census: Census
