"""Settings of the way in: who may call, and where it is counted how much they do."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, TypeAdapter, model_validator

from tandem.app.group import Group
from tandem.domain.groups import EVERY_GROUP, groups_fault

_HTTP = TypeAdapter(HttpUrl)
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def _http_url(text: str) -> str:
    _HTTP.validate_python(text)
    return text


def _groups(names: tuple[str, ...]) -> tuple[str, ...]:
    if fault := groups_fault(name for name in names if name != EVERY_GROUP):
        raise ValueError(fault)
    return names


Groups = Annotated[tuple[str, ...], AfterValidator(_groups)]


class ApiKey(Group):
    """One caller. Make the hash with `tandem config hash-key`."""

    name: str = Field(min_length=1)
    """Who this is, for logs."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the key, in hex. Keys are long random strings, so a fast hash is enough."""
    tenant: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")
    """Whose documents this caller sees."""
    peer: bool = False
    """May speak for any tenant and its groups (`x-tandem-tenant`, `x-tandem-groups`): a gateway's key, at its retriever."""
    groups: Groups = ()
    """Groups of this caller: it sees documents whose access list names one of them. `*`: all documents of its tenant."""
    admin: bool = False
    """May drop collections, and build, promote and roll back their versions."""


class Jwt(Group):
    """Tokens of an identity provider."""

    jwks_url: Annotated[str, AfterValidator(_http_url)]
    """Where it publishes its keys (JWKS)."""
    audience: str = Field(min_length=1)
    """What a token's `aud` must hold: this service."""
    issuer: str | None = None
    """What its `iss` must be; unset: whatever the keys' owner signs."""
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    """Accepted signatures; asymmetric ones only."""
    tenant_claim: str = Field(default="tenant", min_length=1)
    """The claim that names the tenant; dots lead into nested claims."""
    groups_claim: str | None = Field(default=None, min_length=1)
    """The claim that lists the bearer's groups: names, or one text with blanks between them; unset: a token has no groups."""
    admin_group: str | None = Field(default=None, min_length=1)
    """Its members are admins, as keys with `admin: true` are."""
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    """By how much clocks may differ."""
    cache_s: float = Field(default=300.0, gt=0)
    """The provider's keys are fetched this often."""
    refetch_s: float = Field(default=10.0, gt=0)
    """And when a token names an unknown one, but this long after the last attempt at the soonest."""
    max_age_s: float = Field(default=86_400.0, gt=0)
    """While the provider is down its last keys count this long; then every token is answered 503."""


class Auth(Group):
    """Who may call."""

    mode: Literal["none", "keys", "jwt"] = "none"
    """`none`: everyone is the default tenant. `keys`: a Bearer key is required. `jwt`: a token of `auth.jwt`, or a key."""
    keys: tuple[ApiKey, ...] = ()
    """The known keys."""
    keys_file: Path | None = None
    """More of them in a file of their own, `keys:` as here; read again when it changes."""
    keys_poll_s: float = Field(default=2.0, gt=0)
    """How often it is looked at."""
    jwt: Jwt | None = None
    """Needed by the mode `jwt`."""
    anonymous_groups: Groups = ()
    """Groups of everyone in the mode `none`. Without any, documents with an access list are seen by nobody then."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "keys" and not self.keys and self.keys_file is None:
            raise ValueError("auth.mode is keys, but auth.keys is empty and there is no auth.keys_file")
        if self.mode == "jwt" and self.jwt is None:
            raise ValueError("auth.mode is jwt, but auth.jwt is missing")
        if self.mode != "none" and self.anonymous_groups:
            raise ValueError("auth.anonymous_groups counts in the mode none only: give the groups to keys")
        if self.jwt is not None and self.jwt.admin_group is not None and self.jwt.groups_claim is None:
            raise ValueError("auth.jwt.admin_group needs auth.jwt.groups_claim, which tells who is in it")
        return self


class Quotas(Group):
    """Where it is counted what the tenants use. `docs/access.md` tells more."""

    store_url: SecretStr | None = None
    """A Redis or Valkey that all gateways share, redis:// or rediss://. Without it each process counts for itself."""
    prefix: str = Field(default="tandem", min_length=1, pattern=r"^[^{}\s]+$")
    """Begins every key in it."""
    connect_timeout_s: float = Field(default=0.1, gt=0, le=5)
    """To open a connection."""
    timeout_s: float = Field(default=0.1, gt=0, le=5)
    """Until it answers."""
    on_store_loss: Literal["closed", "local"] = "closed"
    """`closed`: requests of limited tenants are answered 503. `local`: each process gives away its share of each limit."""
    local_share: float = Field(default=0.25, gt=0, le=1)
    """That share; one divided by the number of gateways keeps the limits whole."""
    lease_s: float = Field(default=30.0, ge=1)
    """A slot of `concurrency` comes back this long after its process died."""
