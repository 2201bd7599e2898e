"""A monitor that keeps the records where a test can read them."""

from tandem.domain.record import AnswerRecord
from tandem.ports.monitor import Recordable


class ScriptedMonitor:
    """`ports/monitor.py` in memory: `records` in the order of their ends."""

    def __init__(self) -> None:
        self.records: list[AnswerRecord] = []

    def take(self, answer: Recordable) -> None:
        """See the port."""
        self.records.append(answer.record())
