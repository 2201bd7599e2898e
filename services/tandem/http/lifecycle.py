"""Whether this process may get traffic."""

from enum import StrEnum

from tandem.http.edge.census import Census


class State(StrEnum):
    """In this order, never back."""

    starting = "starting"
    ready = "ready"
    draining = "draining"
    stopping = "stopping"


class Lifecycle:
    """Set by whoever owns the listener, shown by the probes: ready once everything is open, draining on SIGTERM.

    `leaving` says that no new traffic is welcome, `over` that what still runs is being ended, `census` who is connected.
    """

    def __init__(self) -> None:
        self._state = State.starting
        self.census = Census()

    @property
    def state(self) -> State:
        """Where the process is."""
        return self._state

    @property
    def leaving(self) -> bool:
        """True from SIGTERM on."""
        return self._state in (State.draining, State.stopping)

    @property
    def over(self) -> bool:
        """True once the time for running requests is up."""
        return self._state is State.stopping

    def ready(self) -> None:
        """Everything is open; a process that drains already stays so."""
        if self._state is State.starting:
            self._state = State.ready

    def drain(self) -> None:
        """No new traffic, please: readiness turns red, running requests go on."""
        if not self.leaving:
            self._state = State.draining

    def stop(self) -> None:
        """Time is up: running requests end now, and say so."""
        self._state = State.stopping
