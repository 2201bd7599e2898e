"""What stands between an answer's record and everything that keeps it."""

from tandem.app.kept import shared
from tandem.app.privacy import captures, users
from tandem.app.settings import Settings
from tandem.observe.metrics import Metrics
from tandem.observe.privacy import PrivacyMetrics
from tandem.pipeline.privacy.capture import Privacy
from tandem.pipeline.privacy.standard import redaction


def privacy(settings: Settings, metrics: Metrics) -> Privacy:
    """Raises `ConfigurationError` when the key of users' aliases cannot be kept."""
    wanted = settings.privacy
    captured = captures(settings.tenants, settings.default_tenant)
    return Privacy(
        lambda tenant: captured.get(tenant, captured[""]),
        redaction(wanted.redact, wanted.phone_regions, wanted.patterns),
        users(wanted, settings.data_dir, shared=shared(settings)),
        PrivacyMetrics(metrics),
    )
