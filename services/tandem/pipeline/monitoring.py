"""What becomes of records between the answer and the disk."""

from collections.abc import Callable

from tandem.domain.record import AnswerRecord
from tandem.ports.monitor import Recordable

# Makes another record of one, such as one without secrets. It runs in the monitor's thread, one record after the other;
# when it raises, that record goes nowhere.
Prepare = Callable[[AnswerRecord], AnswerRecord]


class Unmonitored:
    """`ports/monitor.py` that keeps nothing."""

    def take(self, answer: Recordable) -> None:
        """See the port."""
