"""A model with so many slots: who comes when they are taken waits in its queue, as in an engine's, or is told 429."""

from collections import deque
from collections.abc import Sequence

from fakes.raw_llm import Steady

_BUSY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: 34\r\n\r\n"
    b'{"error":{"message":"overloaded"}}'
)


class Slots:
    """What the connections of one model share. `most_waiting` is how long its queue has been."""

    def __init__(self, count: int, *, sheds: bool = False) -> None:
        self.count = count
        self.sheds = sheds
        self.taken = 0
        self.waiting: deque[Slotted] = deque()
        self.most_waiting = 0
        self.shed = 0

    def free(self) -> None:
        """One is free: the next of the queue begins."""
        self.taken -= 1
        while self.waiting and self.taken < self.count:
            self.waiting.popleft().begin()


class Slotted(Steady):
    """One connection: the first token `first_s` after its slot came, the others a gap apart."""

    def __init__(self, slots: Slots, stream: Sequence[bytes], unary: bytes, *, first_s: float, gap_s: float) -> None:
        super().__init__(stream, unary, gap_s)
        self._slots = slots
        self._first_s = first_s
        self._holds = False

    def on_message_complete(self) -> None:
        """A question: it begins, waits, or is refused. Other requests are answered as they are."""
        if b"chat/completions" not in self._url:
            super().on_message_complete()
        elif self._slots.taken < self._slots.count:
            self.begin()
        elif self._slots.sheds:
            self._slots.shed += 1
            self._body, self._url = [], b""
            self._transport.write(_BUSY)
        else:
            self._slots.waiting.append(self)
            self._slots.most_waiting = max(self._slots.most_waiting, len(self._slots.waiting))

    def begin(self) -> None:
        """It has a slot."""
        self._slots.taken += 1
        self._holds = True
        gap_s, self._gap_s = self._gap_s, self._first_s
        super().on_message_complete()
        self._gap_s = gap_s

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody listens any more: the slot, or the place in the queue, is free."""
        super().connection_lost(error)
        if self in self._slots.waiting:
            self._slots.waiting.remove(self)
        self._end()

    def _tell(self, number: int) -> None:
        super()._tell(number)
        if number + 1 == len(self._stream):
            self._end()

    def _end(self) -> None:
        if self._holds:
            self._holds = False
            self._slots.free()
