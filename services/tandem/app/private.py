"""What stands between an answer's record and everything that keeps it."""

from collections.abc import Callable
from dataclasses import dataclass

from tandem.app.kept import shared
from tandem.app.privacy import captures, users
from tandem.app.settings import Settings
from tandem.observe.metrics import Metrics
from tandem.observe.privacy import PrivacyMetrics
from tandem.pipeline.privacy.capture import Privacy
from tandem.pipeline.privacy.standard import redaction
from tandem.pipeline.privacy.users import Users


@dataclass(frozen=True, slots=True)
class Private:
    """`clean` is the step that each record goes through; `kept_days` how long a tenant's stay, None for ever.

    `longest_days` is the longest that any tenant keeps, None when one keeps for ever.
    """

    clean: Privacy
    users: Users
    meter: PrivacyMetrics
    kept_days: Callable[[str], float | None]
    longest_days: float | None


def privacy(settings: Settings, metrics: Metrics) -> Private:
    """Raises `ConfigurationError` when the key of users' aliases cannot be kept."""
    wanted, meter = settings.privacy, PrivacyMetrics(metrics)
    captured = captures(settings.tenants, settings.default_tenant)
    known = users(wanted, settings.data_dir, shared=shared(settings))
    days = _days(settings)
    kept = days.values()
    return Private(
        Privacy(
            lambda tenant: captured.get(tenant, captured[""]),
            redaction(wanted.redact, wanted.phone_regions, wanted.patterns),
            known,
            meter,
        ),
        known,
        meter,
        lambda tenant: days.get(tenant, days[""]),
        None if None in kept else max(each for each in kept if each is not None),
    )


def _days(settings: Settings) -> dict[str, float | None]:
    """By tenant; under the empty name those of all others."""
    usual = settings.privacy.retention_days
    policies = {**settings.tenants, "": settings.default_tenant}
    return {name: usual if it.retention_days is None else it.retention_days for name, it in policies.items()}
