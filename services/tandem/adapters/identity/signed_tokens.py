"""JSON Web Tokens (RFC 7519), checked by their provider's published keys."""

from collections.abc import Iterable
from typing import Any

import jwt

from tandem.adapters.identity.published_keys import Jwk, PublishedKeys
from tandem.admission.claims import vouched
from tandem.domain.errors import Unauthenticated
from tandem.ports.tokens import Vouched

_MAX_CHARS = 16_384
_READ_KEYS = 64
_OTHER_ALGORITHM = "The token is signed with another algorithm than its key is for."
_NEW = "Get a new token from the identity provider."


class SignedTokens:
    """`ports/tokens.py` for tokens of one issuer to one audience. `algorithms` are asymmetric ones only."""

    def __init__(
        self,
        keys: PublishedKeys,
        *,
        audience: str,
        issuer: str | None,
        algorithms: Iterable[str],
        tenant_claim: str,
        groups_claim: str | None = None,
        leeway_s: float,
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._algorithms = tuple(algorithms)
        self._tenant_claim = tenant_claim
        self._groups_claim = groups_claim
        self._leeway_s = leeway_s
        # Reading a key takes as long as checking a signature with it.
        self._read: dict[tuple[str | None, str], tuple[Jwk, jwt.PyJWK]] = {}
        self._jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})

    async def check(self, token: str) -> Vouched:
        """See the port."""
        algorithm, kid = self._header(token)
        key = self._verifying(await self._keys.key(kid), kid, algorithm)
        return vouched(self._claims(token, key, algorithm), self._tenant_claim, self._groups_claim)

    def _header(self, token: str) -> tuple[str, str | None]:
        try:
            header = jwt.get_unverified_header(token[:_MAX_CHARS])
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(
                "What was sent is neither a known API key nor a JSON Web Token.", hint=_NEW
            ) from error
        algorithm, kid = header.get("alg"), header.get("kid")
        # The token may choose among what we accept, never what we accept: so neither `none` nor a symmetric one, for which
        # a public key would be the secret.
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise Unauthenticated(
                "The token is not signed with an accepted algorithm.", hint=f"Accepted: {', '.join(self._algorithms)}."
            )
        return algorithm, kid if isinstance(kid, str) else None

    def _verifying(self, key: Jwk, kid: str | None, algorithm: str) -> jwt.PyJWK:
        known = self._read.get((kid, algorithm))
        if known is not None and known[0] is key:
            return known[1]
        if key.get("alg", algorithm) != algorithm:
            raise Unauthenticated(_OTHER_ALGORITHM, hint=_NEW)
        try:
            read = jwt.PyJWK(dict(key), algorithm)
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated(_OTHER_ALGORITHM, hint=_NEW) from error
        if len(self._read) >= _READ_KEYS:
            self._read.clear()
        self._read[kid, algorithm] = key, read
        return read

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        required = ["exp", "aud", *(["iss"] if self._issuer is not None else [])]
        try:
            return self._jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": required},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.", hint=_NEW) from error
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError) as error:
            raise Unauthenticated(
                "The token is not valid yet.", hint="Compare this machine's clock with the identity provider's."
            ) from error
        except jwt.InvalidAudienceError as error:
            raise Unauthenticated(
                "The token was issued for another service.", hint=f"Its aud claim must hold {self._audience}."
            ) from error
        except jwt.InvalidIssuerError as error:
            raise Unauthenticated(
                "The token was issued by somebody else.", hint=f"Its iss claim must be {self._issuer}."
            ) from error
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(
                f"The token has no claim {error.claim}.", hint="It needs " + ", ".join(required) + "."
            ) from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The token's signature or form is not valid.", hint=_NEW) from error
