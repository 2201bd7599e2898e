"""Where a command finds opinions and what is kept of users: a running Tandem, or the stores that the configuration names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from tandem.adapters.remote.rights import rights
from tandem.app.clock import SystemClock
from tandem.app.duties import placed
from tandem.app.kept import anything_kept, stores
from tandem.app.private import Private, privacy
from tandem.app.settings import Settings, load_settings
from tandem.domain.errors import InvalidRequest
from tandem.domain.feedback import Feedback
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.reader import Reader
from tandem.domain.record import AnswerRecord
from tandem.http.wire.feedback import FeedbackQuery, wire_page
from tandem.observe.metrics import Metrics
from tandem.pipeline.feedback.giving import GivingFeedback
from tandem.pipeline.feedback.rated import RatedAnswers
from tandem.pipeline.in_flight import InFlight
from tandem.pipeline.privacy.personal import PersonalData
from tandem.pipeline.privacy.withholding import Forgettable
from tandem.pipeline.receipts import ReadReceipts
from tandem.ports.feedback import FeedbackFilter
from tandem.ports.state import Stores

_PATIENCE_S = 300.0


class RightsSource(Protocol):
    """What an admin of a tenant may ask for."""

    async def rated(self, wanted: FeedbackFilter) -> tuple[str, list[Feedback], list[AnswerRecord]]:
        """The tenant, its opinions, and the records they are about."""
        ...

    async def personal(self, user: str) -> list[tuple[str, Any]]:
        """Everything that is kept of a user, by kind; `end` is the last."""
        ...

    async def delete(self, user: str) -> dict[str, Any]:
        """What was deleted of a user."""
        ...

    async def listed(self, query: dict[str, Any]) -> dict[str, Any]:
        """A page of opinions."""
        ...


class OwnRights:
    """The stores themselves: who can open them can read them all."""

    def __init__(self, settings: Settings, opened: Stores, private: Private, tenant: str) -> None:
        clock = SystemClock()
        reading = ReadReceipts(opened.receipts, InFlight(), private.clean.user)
        forgettable = Forgettable(opened.forgotten, private.kept_days, clock)
        self._tenant = tenant
        self._giving = GivingFeedback(reading, opened.feedback, private.clean, clock, private.meter)
        self._rated = RatedAnswers(opened.receipts, opened.feedback)
        self._personal = PersonalData(placed(settings, opened), private.users, forgettable, clock, private.meter)

    async def rated(self, wanted: FeedbackFilter) -> tuple[str, list[Feedback], list[AnswerRecord]]:
        """From the stores."""
        opinions, records = list[Feedback](), list[AnswerRecord]()
        async for each in self._rated.all(wanted, Reader(self._tenant, groups=(EVERY_GROUP,), admin=True)):
            if isinstance(each, Feedback):
                opinions.append(each)
            else:
                records.append(each)
        return self._tenant, opinions, records

    async def personal(self, user: str) -> list[tuple[str, Any]]:
        """From the stores."""
        return [each async for each in self._personal.export(self._tenant, user)]

    async def delete(self, user: str) -> dict[str, Any]:
        """From the stores."""
        done = await self._personal.delete(self._tenant, user)
        return {
            "tenant": done.tenant,
            "user": done.user,
            "deleted": dict(done.deleted),
            "elsewhere": list(done.elsewhere),
        }

    async def listed(self, query: dict[str, Any]) -> dict[str, Any]:
        """From the stores."""
        asked = FeedbackQuery(**{name: value for name, value in query.items() if value is not None})
        page = await self._giving.listing(asked.filter(), self._tenant, limit=asked.limit, after=asked.cursor())
        return wire_page(page).model_dump(mode="json")


@asynccontextmanager
async def rights_source(
    config: Path | None, data_dir: Path | None, url: str | None, api_key: str | None, tenant: str | None
) -> AsyncIterator[RightsSource]:
    """Raises `InvalidRequest` for a tenant beside a URL, or where nothing is kept."""
    if url is not None:
        if tenant is not None:
            raise InvalidRequest(
                "With --url the key tells the tenant.", hint="Leave --tenant out, or take another key."
            )
        async with rights(url, api_key=api_key, timeout_s=_PATIENCE_S) as running:
            yield running
        return
    settings = load_settings(config, data_dir=data_dir)
    if not anything_kept(settings):
        raise InvalidRequest(
            f"Nothing is kept under {settings.data_dir}.", hint="Name a running Tandem with --url, or --data-dir."
        )
    private = privacy(settings, Metrics(version("tandem-rag"), "cli"))
    async with stores(settings) as opened:
        yield OwnRights(settings, opened, private, tenant or "default")
