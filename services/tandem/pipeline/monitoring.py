"""What becomes of records between the answer and the disk."""

from tandem.ports.monitor import Recordable


class Unmonitored:
    """`ports/monitor.py` that keeps nothing."""

    def take(self, answer: Recordable) -> None:
        """See the port."""
