"""Whether this process may get traffic."""

from enum import StrEnum


class State(StrEnum):
    """In this order, never back."""

    starting = "starting"
    ready = "ready"
    draining = "draining"


class Lifecycle:
    """Set by whoever owns the listener, shown by the probes: ready once everything is open, draining on SIGTERM."""

    def __init__(self) -> None:
        self._state = State.starting

    @property
    def state(self) -> State:
        """Where the process is."""
        return self._state

    def ready(self) -> None:
        """Everything is open; a process that drains already stays so."""
        if self._state is State.starting:
            self._state = State.ready

    def drain(self) -> None:
        """No new traffic, please: readiness turns red, running requests go on."""
        self._state = State.draining
