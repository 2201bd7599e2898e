"""Settings of jobs: questions that are answered later. `docs/jobs.md` tells more."""

import base64
import hashlib
import hmac
from typing import Self

from pydantic import Field, SecretStr, model_validator

from tandem.app.group import Group


class JobWebhooks(Group):
    """Messages about the end of jobs, to those who gave a `callback_url`."""

    secret: SecretStr | None = Field(default=None, min_length=24)
    """Each tenant's own signing secret is made from it, see `tandem jobs secret`. Without it no `callback_url` is taken."""
    allow_private: bool = False
    """Also call loopback, private and link-local addresses: for receivers in the same cluster."""
    attempts: int = Field(default=12, ge=1, le=50)
    """After the last one the message is given up, and can be seen in the job."""
    timeout_s: float = Field(default=15.0, gt=0, le=120)
    """For one attempt."""


class Jobs(Group):
    """`POST /v1/jobs` and whoever answers them."""

    enabled: bool = True
    """Take jobs and answer them, where the process has a state store of its own."""
    concurrency: int = Field(default=8, ge=1, le=512)
    """Jobs that one process answers at a time; they use only what questions of people who wait leave of the pools."""
    lease_s: float = Field(default=30.0, ge=1, le=3600)
    """A process that was not heard of for so long has lost its jobs to others."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """Failures that may pass are tried again this often in all."""
    timeout_s: float = Field(default=600.0, gt=0)
    """For one attempt."""
    max_waiting: int = Field(default=10_000, ge=1)
    """Of one tenant; one more is answered 429."""
    keep_days: float = Field(default=7.0, gt=0)
    """An ended job, its answer with it, is deleted then."""
    webhooks: JobWebhooks = JobWebhooks()

    @model_validator(mode="after")
    def _strong(self) -> Self:
        secret = self.webhooks.secret
        if secret is not None and len(set(secret.get_secret_value())) < 8:
            raise ValueError("jobs.webhooks.secret is no random text")
        return self


def secret_of(chosen: JobWebhooks, tenant: str) -> bytes:
    """The tenant's own: who has it can sign for nobody else. Needs a secret."""
    if chosen.secret is None:
        raise ValueError("jobs.webhooks.secret is not set")
    return hmac.new(chosen.secret.get_secret_value().encode(), f"webhooks/{tenant}".encode(), hashlib.sha256).digest()


def shown(secret: bytes) -> str:
    """As Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secret).decode()
