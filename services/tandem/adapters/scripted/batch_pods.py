"""Pods of batches that a test ends."""


class ScriptedBatchPods:
    """`ports/batch_pods.py`: `working` tells the lines that each batch's were started for. `fault` is raised while it is set."""

    def __init__(self) -> None:
        self.working: dict[str, int] = {}
        self.starts: list[str] = []
        self.fault: Exception | None = None

    async def start(self, batch_id: str, lines: int) -> None:
        """See the port."""
        self._check()
        if batch_id not in self.working:
            self.working[batch_id] = lines
            self.starts.append(batch_id)

    async def stop(self, batch_id: str) -> None:
        """See the port."""
        self._check()
        self.working.pop(batch_id, None)

    async def alive(self, batch_id: str) -> bool:
        """See the port."""
        self._check()
        return batch_id in self.working

    def end(self, batch_id: str) -> None:
        """All of them have ended, whatever became of the lines."""
        del self.working[batch_id]

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault
