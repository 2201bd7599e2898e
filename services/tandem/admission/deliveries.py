"""Whether a webhook's delivery comes from who knows the secret: signed as Standard Webhooks and MLflow do, or with the secret
itself, as the Hugging Face Hub sends it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from tandem.domain.errors import Unauthenticated

# Identifier, time and signatures: MLflow signs the same under names of its own.
_SIGNED = (
    ("webhook-id", "webhook-timestamp", "webhook-signature"),
    ("x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"),
)
_PLAIN = "x-webhook-secret"
_ENCODED = "whsec_"
# Who records a delivery may send it once more for so long.
_TOLERANCE_S = 300.0
_HINT = "Give the webhook the same secret as follow.secret, and look at both clocks."


def delivered(headers: Mapping[str, str], body: bytes, secret: str, now_s: float) -> str:
    """The delivery's identifier; without one each is another, since the same words may tell of something new. Names of
    `headers` are in small letters.

    Raises `Unauthenticated`.
    """
    for names in _SIGNED:
        found = [headers.get(name) for name in names]
        if found[2] is not None:
            identifier, at, signatures = (each or "" for each in found)
            _check(f"{identifier}.{at}.".encode() + body, at, signatures, secret, now_s)
            return identifier
    told = headers.get(_PLAIN)
    if told is None:
        raise Unauthenticated(
            "The delivery is not signed.", hint="Webhook-Signature, X-MLflow-Signature or X-Webhook-Secret is wanted."
        )
    if not hmac.compare_digest(told.encode("latin-1", "replace"), secret.encode()):
        raise Unauthenticated("The delivery's secret is another.", hint=_HINT)
    return hashlib.sha256(f"{now_s}.".encode() + body).hexdigest()


def _check(content: bytes, at: str, signatures: str, secret: str, now_s: float) -> None:
    wanted = base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest())
    given = [each.partition(",")[2] for each in signatures.split() if each.startswith("v1,")]
    if not any(hmac.compare_digest(each.encode(), wanted) for each in given):
        raise Unauthenticated("The delivery's signature is wrong.", hint=_HINT)
    if not at.isascii() or not at.isdecimal() or abs(now_s - int(at[:20])) > _TOLERANCE_S:
        raise Unauthenticated("The delivery is of another time.", hint=_HINT)


def _key(secret: str) -> bytes:
    """As Standard Webhooks write it, or as it is."""
    if secret.startswith(_ENCODED):
        try:
            return base64.b64decode(secret.removeprefix(_ENCODED), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
