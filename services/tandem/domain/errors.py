"""Every way Tandem can fail, as one tree.

    TandemError
    ├── InvalidRequest            invalid_request             the caller must change the request
    │   ├── UnknownModel          model_not_found
    │   ├── UnknownCollection     collection_not_found
    │   ├── UnknownDocument       document_not_found
    │   ├── UnknownPrompt         prompt_not_found
    │   ├── UnknownReceipt        receipt_not_found
    │   ├── UnknownJob            job_not_found
    │   ├── UnknownFile           file_not_found
    │   ├── UnknownBatch          batch_not_found
    │   ├── UnknownRelease        release_not_found
    │   ├── IdempotencyConflict   idempotency_conflict        the key was used before, for another body
    │   ├── ContextTooLong        context_length_exceeded
    │   ├── PayloadTooLarge       payload_too_large
    │   ├── UnsupportedContent    unsupported_content         an image part, say
    │   ├── VersionConflict       version_conflict            somebody else promoted or rolled back meanwhile
    │   ├── PromotionRefused      promotion_refused           the gate held a version of a collection, or a release, back
    │   └── ReleaseConflict       release_conflict            another release is tried, or somebody else changed this one
    ├── Unauthenticated           invalid_api_key
    ├── PermissionDenied          permission_denied           the caller is known, and may not do this
    ├── DocumentRejected          document_rejected           one document could not be read; `reason` says why
    ├── ResidencyRefused          residency_refused           policy lets no configured pool answer
    ├── Overloaded                overloaded                  the platform is full: retryable, after `retry_after_s`
    │   └── RateLimited           rate_limit_exceeded         retryable: a tenant's own quota is used up
    ├── Preempted                 preempted                   retryable: work in the background gave way to somebody who waits
    ├── DeadlineExceeded          deadline_exceeded           retryable; `stage` ran out of time
    ├── UpstreamUnavailable       upstream_unavailable        retryable: refused, reset, timed out before the first token
    ├── UpstreamFailed            upstream_failed             the peer answered with a failure, or a truncated answer
    ├── ShuttingDown              server_shutting_down        retryable: this process ends, another one answers
    ├── StoreBusy                 store_busy                  retryable: another process holds the embedded store
    ├── StoreFull                 storage_full                no space left where the store lives
    ├── StoreMismatch             store_mismatch              the collection was built with another recipe
    ├── NotServed                 not_served                  this deployment cannot do it; the hint says what that takes
    └── ConfigurationError        configuration_invalid       settings that cannot work; the process does not start

`code` and `retryable` are the contract; the message is for people. Adapters translate into this tree at
their edge, `http/errors.py` maps it to statuses, the CLI prints `message` and `hint`.
"""

from typing import ClassVar


class TandemError(Exception):
    """The root: a message for people, an optional hint on how to fix it, the parameter at fault."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    # The part of the request that it came from, where that is known.
    stage: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param


class InvalidRequest(TandemError):
    """The request cannot be served as it is."""

    code = "invalid_request"


class UnknownModel(InvalidRequest):
    """No model of that name is served here."""

    code = "model_not_found"


class UnknownCollection(InvalidRequest):
    """No collection of that name exists."""

    code = "collection_not_found"


class UnknownDocument(InvalidRequest):
    """The collection holds no document of that id (for this tenant)."""

    code = "document_not_found"


class UnknownPrompt(InvalidRequest):
    """No prompt template of that name and version exists."""

    code = "prompt_not_found"


class UnknownReceipt(InvalidRequest):
    """No receipt of that id is kept (for this tenant)."""

    code = "receipt_not_found"


class UnknownJob(InvalidRequest):
    """No job of that id is kept (for this tenant)."""

    code = "job_not_found"


class UnknownFile(InvalidRequest):
    """There is no such file for this caller."""

    code = "file_not_found"


class UnknownBatch(InvalidRequest):
    """There is no such batch for this caller."""

    code = "batch_not_found"


class UnknownRelease(InvalidRequest):
    """There is no release of that name."""

    code = "release_not_found"


class IdempotencyConflict(InvalidRequest):
    """The idempotency key names a job with another body."""

    code = "idempotency_conflict"


class ContextTooLong(InvalidRequest):
    """Prompt and answer do not fit the model's context."""

    code = "context_length_exceeded"


class PayloadTooLarge(InvalidRequest):
    """The body is over the configured limit."""

    code = "payload_too_large"


class UnsupportedContent(InvalidRequest):
    """A kind of content that is not handled here, such as an image part."""

    code = "unsupported_content"


class VersionConflict(InvalidRequest):
    """The version that was to be replaced does not serve any more: somebody else promoted or rolled back meanwhile."""

    code = "version_conflict"


class PromotionRefused(InvalidRequest):
    """The gate held a version or a release back; what was measured is kept with it."""

    code = "promotion_refused"


class ReleaseConflict(InvalidRequest):
    """It cannot be changed so now: another one is tried, somebody else was faster, or it is over."""

    code = "release_conflict"


class Unauthenticated(TandemError):
    """No key, or none that is known."""

    code = "invalid_api_key"


class PermissionDenied(TandemError):
    """The caller is known, and may not do this."""

    code = "permission_denied"


class ResidencyRefused(TandemError):
    """A residency policy allows none of the configured pools."""

    code = "residency_refused"


class DocumentRejected(TandemError):
    """One document could not be read; `reason` is a stable word such as `encrypted`, `damaged`, `empty`, `too_large`."""

    code = "document_rejected"

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Overloaded(TandemError):
    """No room now; try again after `retry_after_s` seconds. `spent`: it is a daily cap that leaves none."""

    code = "overloaded"
    retryable = True
    spent: bool = False

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(Overloaded):
    """The tenant has used up its quota; there is room again after `retry_after_s` seconds."""

    code = "rate_limit_exceeded"


class Preempted(TandemError):
    """Work in the background had to give its place at a model to somebody who waits for an answer."""

    code = "preempted"
    retryable = True


class DeadlineExceeded(TandemError):
    """The request's time budget ran out in `stage`."""

    code = "deadline_exceeded"
    retryable = True

    def __init__(self, stage: str) -> None:
        super().__init__(f"The deadline passed during {stage}.", hint="Raise x-request-timeout-ms or ask for less.")
        self.stage = stage


class UpstreamUnavailable(TandemError):
    """A peer could not be reached, or answered nothing in time. `stage` is the part of the request that needed it."""

    code = "upstream_unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        param: str | None = None,
        stage: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, param=param)
        self.stage = stage
        self.retry_after_s = retry_after_s


class UpstreamFailed(TandemError):
    """A peer answered with a failure, or its answer was cut short. `stage` is the part of the request that needed it.

    `elsewhere`: it is this one server that failed, before it said anything; another one may do better.
    """

    code = "upstream_failed"
    elsewhere: bool = False


class ShuttingDown(TandemError):
    """The process was told to end, and the time for running requests is up."""

    code = "server_shutting_down"
    retryable = True


class StoreBusy(TandemError):
    """Another process holds the embedded store."""

    code = "store_busy"
    retryable = True


class StoreFull(TandemError):
    """No space is left where the store lives."""

    code = "storage_full"


class StoreMismatch(TandemError):
    """The collection was built with another embedder or chunker than the one configured."""

    code = "store_mismatch"


class NotServed(TandemError):
    """What this deployment has no place for, as it is configured."""

    code = "not_served"


class ConfigurationError(TandemError):
    """Settings that cannot work."""

    code = "configuration_invalid"
