"""A meter of quotas where nobody looks."""


class Unmetered:
    """`StoreWatch` and `Quotas` report to it."""

    def quota_store(self, *, up: bool) -> None:
        pass

    def decided_without_store(self) -> None:
        pass

    def quota_refused(self, quota: str) -> None:
        pass
