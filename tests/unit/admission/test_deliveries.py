"""A delivery is as good as its signature."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.webhooks.sender import signed
from tandem.admission.deliveries import delivered
from tandem.domain.errors import Unauthenticated
from tandem.ports.webhook import Message

SECRET = "a secret of sixteen or more"
BODY = b'{"entity": "model_version", "action": "created"}'
NOW_S = 1_800_000_000.0


def ours(secret: bytes = SECRET.encode(), at: float = NOW_S, body: bytes = BODY) -> dict[str, str]:
    """As Tandem signs its own."""
    return signed(Message("msg-1", "acme", "https://example.com", body), secret, int(at))


def of_mlflow() -> dict[str, str]:
    """As its documentation signs the payload of an example."""
    content = f"7.{int(NOW_S)}.{BODY.decode()}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), content.encode(), hashlib.sha256).digest()).decode()
    return {"x-mlflow-delivery-id": "7", "x-mlflow-timestamp": str(int(NOW_S)), "x-mlflow-signature": f"v1,{signature}"}


def test_what_is_signed_as_our_own_is_known() -> None:
    assert delivered(ours(), BODY, SECRET, NOW_S) == "msg-1"


def test_a_secret_may_be_written_as_standard_webhooks_do() -> None:
    key = b"0123456789abcdef"
    assert delivered(ours(key), BODY, "whsec_" + base64.b64encode(key).decode(), NOW_S) == "msg-1"


def test_one_of_several_signatures_is_enough() -> None:
    headers = ours()
    headers["webhook-signature"] = f"v1,bm90IHRoaXMgb25l v1a,x {headers['webhook-signature']}"
    assert delivered(headers, BODY, SECRET, NOW_S) == "msg-1"


def test_mlflow_is_known() -> None:
    assert delivered(of_mlflow(), BODY, SECRET, NOW_S) == "7"


def test_the_hub_sends_the_secret_itself() -> None:
    first, again = (delivered({"x-webhook-secret": SECRET}, BODY, SECRET, NOW_S + late) for late in (0, 60))
    assert first != again, "the second may be about another version"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "not signed"),
        ({"x-webhook-secret": ""}, "another"),
        ({"x-webhook-secret": SECRET[:-1]}, "another"),
        ({"x-webhook-secret": "\u00e9"}, "another"),
        (ours(b"another secret, as long"), "wrong"),
        (ours(body=b"{}"), "wrong"),
        (ours(at=NOW_S - 301), "another time"),
        (ours(at=NOW_S + 301), "another time"),
        ({**ours(), "webhook-id": "msg-2"}, "wrong"),
        ({**ours(), "webhook-timestamp": "soon"}, "wrong"),
        ({**ours(), "webhook-signature": ""}, "wrong"),
        # Who signs badly does not get through with the plain secret.
        ({**ours(b"another secret, as long"), "x-webhook-secret": SECRET}, "wrong"),
        ({**of_mlflow(), "x-mlflow-timestamp": ""}, "wrong"),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], said: str) -> None:
    with pytest.raises(Unauthenticated, match=said) as refused:
        delivered(headers, BODY, SECRET, NOW_S)
    assert refused.value.hint
    assert SECRET not in refused.value.message


@given(st.dictionaries(st.sampled_from([*ours(), *of_mlflow(), "x-webhook-secret"]), st.text()), st.binary())
def test_no_header_makes_it_stumble(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        delivered(headers, body, SECRET, NOW_S)


def test_a_signed_time_that_is_none_is_refused() -> None:
    content = b"1.\xd9\xa1." + BODY
    signature = base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()
    headers = {"webhook-id": "1", "webhook-timestamp": "\u0661", "webhook-signature": f"v1,{signature}"}
    with pytest.raises(Unauthenticated, match="another time"):
        delivered(headers, BODY, SECRET, NOW_S)
