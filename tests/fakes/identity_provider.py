"""An identity provider: it signs tokens, publishes its keys over HTTP, exchanges them, and can be down."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from fakes.live_aiohttp import live_aiohttp

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Provider:
    """`status` other than 200, or a `body` of its own, is what it answers instead of its keys."""

    def __init__(self) -> None:
        self.private: dict[str, tuple[Private, str]] = {}
        self.published: list[dict[str, Any]] = []
        self.status = 200
        self.body: bytes | None = None
        self.fetched = 0
        self.url = ""

    def make(self, kid: str, algorithm: str = "RS256", *, publish: bool = True, **fields: Any) -> None:
        """A new key, published unless told otherwise."""
        private = _private(algorithm, len(self.private))
        self.private[kid] = private, algorithm
        if publish:
            self.published.append({**_public(private), "kid": kid, "use": "sig", "alg": algorithm, **fields})

    def sign(self, kid: str = "one", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token, but for `claims` (None leaves one out) and `headers`."""
        private, algorithm = self.private[kid]
        held = {k: v for k, v in {**self.claims(), **claims}.items() if v is not None}
        named = {k: v for k, v in {"kid": kid, **(headers or {})}.items() if v is not None}
        return jwt.encode(held, private, algorithm, headers=named)

    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": "https://id.test", "aud": "tandem", "sub": "ann", "tenant": "acme", "iat": now, "exp": now + 600}

    async def keys(self, _: web.Request) -> web.Response:
        self.fetched += 1
        body = json.dumps({"keys": self.published}).encode() if self.body is None else self.body
        return web.Response(body=body, status=self.status, headers={"location": self.url} if self.status == 302 else {})


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Put together by hand: what no library would sign."""
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    )


@asynccontextmanager
async def identity_provider() -> AsyncIterator[Provider]:
    """It listens on loopback while the context is open."""
    provider = Provider()
    app = web.Application()
    app.router.add_get("/keys", provider.keys)
    async with live_aiohttp(app) as url:
        provider.url = f"{url}/keys"
        yield provider


@cache
def _private(algorithm: str, _number: int) -> Private:
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def _public(private: Private) -> dict[str, Any]:
    if isinstance(private, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
