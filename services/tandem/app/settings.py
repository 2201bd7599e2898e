"""Every setting: `tandem.yaml` overlaid by `TANDEM_…`, read once, frozen, unknown keys refused, secrets masked."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from tandem.app.access import Auth, Quotas
from tandem.app.batches import Batches
from tandem.app.features import Cache, Embedder, Ingestion, Reranker, Retrieval, Vectors, Worker
from tandem.app.group import Group
from tandem.app.jobs import Jobs
from tandem.app.logging import Log
from tandem.app.models import Follow, RegisteredModel
from tandem.app.monitoring import Monitor
from tandem.app.privacy import Privacy
from tandem.app.quality import Quality
from tandem.app.state import State
from tandem.app.streams import QuestionStream, check_streams
from tandem.app.telemetry import Telemetry
from tandem.app.traffic import Admission, CollectionPolicy, ModelPolicy, Pool, Resilience, TenantPolicy
from tandem.domain.errors import ConfigurationError

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Server(Group):
    """The HTTP listener and how it stops."""

    host: str = "127.0.0.1"
    """Address to bind. Beyond loopback the public API needs keys."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """TCP port; 8000, or 8080 for the predictor. 0 picks a free one."""
    allow_unauthenticated: bool = False
    """Bind beyond loopback although `auth.mode` is none."""
    max_body_bytes: int = Field(default=2_000_000, ge=1024)
    """Largest JSON body. Documents have their own limit, `ingestion.max_document_bytes`."""
    request_timeout_s: float = Field(default=120.0, gt=0)
    """A request's time budget when it brings no x-request-timeout-ms."""
    stream_keep_alive_s: float = Field(default=15.0, gt=0)
    """Longest silence in a stream: then a comment is sent, also to those who wait for the model."""
    max_connections: int | None = Field(default=None, ge=1)
    """Connections at a time; one more is answered 503 at once. Unset: 10000, or as many as open files leave room for."""
    header_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds from connecting, or from a further request's first byte, until its headers must be complete."""
    max_header_bytes: int = Field(default=65_536, ge=1024)
    """Largest request line and headers together."""
    write_timeout_s: float = Field(default=30.0, gt=0)
    """Seconds that a client may leave what it is sent unread, once buffers are full, before it is cut off."""
    drain_delay_s: float = Field(default=0.0, ge=0)
    """Seconds between readiness turning red and the listener closing; long enough for endpoints to be withdrawn."""
    drain_timeout_s: float = Field(default=30.0, ge=0)
    """Seconds that running requests may take to finish after the listener closed; then they are told so and ended."""


class RetrieverPeer(Group):
    """Where retrieval and documents live."""

    url: str | None = None
    """A `tandem serve --target retriever`. Without it retrieval runs in this process."""
    api_key: SecretStr | None = None
    """Sent as Bearer key."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Upper bound of one call; the request's deadline may be nearer."""
    as_peer: bool = True
    """Name each caller's tenant and groups to it, for which the key must be marked `peer` there. `false`: the key's own count."""


class Predictor(Group):
    """The language model: inside this process, or a peer by URL."""

    url: str | None = None
    """A TGI, vLLM or `tandem serve --target predictor`. Without it `model` runs in this process."""
    protocol: Literal["tgi", "openai"] = "tgi"
    """What the peer speaks."""
    model: str = "extractive"
    """In process: `extractive`, `smollm2`, a path to a GGUF, or hf://org/repo@revision/file.gguf. At a peer: the name to ask for."""
    declared: ModelPolicy | None = None
    """A peer's model, told beforehand: needed where the peer may sleep, so that requests are held until it is up."""
    lineage: Path | None = None
    """A folder that tells what its models were made from, for receipts; the chart has `tandem models` keep it."""
    api_key: SecretStr | None = None
    """Sent as Bearer key."""
    connect_timeout_s: float = Field(default=2.0, gt=0)
    """To open a connection."""
    first_token_timeout_s: float = Field(default=60.0, gt=0)
    """Until the first token."""
    idle_timeout_s: float = Field(default=15.0, gt=0)
    """Between two tokens."""
    stream_interval_s: float = Field(default=0.02, ge=0, le=1)
    """Tokens of a peer that come faster than this are handed on together, after the first; 0 hands on each as it comes, for about 1.7 times the CPU."""
    max_concurrent_requests: int = Field(default=128, ge=1)
    """In process: running and waiting together; one more is answered `overloaded` at once (as TGI does)."""
    parallel: int = Field(default=2, ge=1, le=64)
    """In process: requests generated side by side."""
    context_tokens: int = Field(default=4096, ge=256)
    """In process: context of one request."""
    max_tokens: int = Field(default=256, ge=1)
    """Answer length when the request names none."""


class Settings(BaseSettings):
    """The whole configuration of one process. A peer with a URL is remote, a peer without one runs inside."""

    model_config = SettingsConfigDict(
        env_prefix="TANDEM_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path(".data")
    """Where embedded stores live."""
    prompts_dir: Path | None = None
    """Your own templates, `name@version.jinja`; they come before the shipped ones."""
    prompt: str = "answer@1"
    """The template used when the request names none."""
    server: Server = Server()
    auth: Auth = Auth()
    retriever: RetrieverPeer = RetrieverPeer()
    vectors: Vectors = Vectors()
    embedder: Embedder = Embedder()
    reranker: Reranker = Reranker()
    retrieval: Retrieval = Retrieval()
    cache: Cache = Cache()
    predictor: Predictor = Predictor()
    pools: tuple[Pool, ...] = ()
    """Predictor pools in the order of preference; without any, `predictor` is the only one, named default."""
    admission: Admission = Admission()
    """For the pool that `predictor` describes; listed pools have their own."""
    resilience: Resilience = Resilience()
    tenants: dict[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")], TenantPolicy] = {}
    """Limits, priority and residency of a tenant, by its name."""
    default_tenant: TenantPolicy = TenantPolicy()
    """The same for every tenant that is not named."""
    quotas: Quotas = Quotas()
    collections: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")], CollectionPolicy] = {}
    """Residency of a collection, by its name."""
    models: dict[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,51}[a-z0-9])?$")], RegisteredModel] = {}
    """Models of the registry, by the name that `tandem models` knows them by."""
    follow: Follow = Follow()
    ingestion: Ingestion = Ingestion()
    worker: Worker = Worker()
    quality: Quality = Quality()
    jobs: Jobs = Jobs()
    batches: Batches = Batches()
    questions: tuple[QuestionStream, ...] = ()
    """Topics of questions that are answered into other topics."""
    monitor: Monitor = Monitor()
    state: State = State()
    privacy: Privacy = Privacy()
    log: Log = Log()
    telemetry: Telemetry = Telemetry()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _pools_fit(self) -> Self:
        names = [pool.name for pool in self.pools]
        if len(set(names)) < len(names):
            raise ValueError("two of the pools have the same name")
        if self.pools and not any(pool.answers for pool in self.pools):
            raise ValueError("every one of the pools has answers: false, so that nobody answers")
        if self.quality.judge.pool is not None and self.quality.judge.pool not in (names or ["default"]):
            raise ValueError(f"quality.judge.pool names none of the pools; they are {', '.join(names) or 'default'}")
        regions = {pool.region for pool in self.pools} or {"default"}
        policies = {
            "default_tenant": self.default_tenant.regions,
            **{f"tenants.{name}": policy.regions for name, policy in self.tenants.items()},
            **{f"collections.{name}": policy.regions for name, policy in self.collections.items()},
        }
        for name, allowed in policies.items():
            # Nothing could be answered: a slip of the pen rather than a wish.
            if allowed is not None and not allowed & regions:
                raise ValueError(f"{name}.regions names no region of a pool; they are in {', '.join(sorted(regions))}")
        return self

    @model_validator(mode="after")
    def _streams_fit(self) -> Self:
        check_streams(self.questions)
        return self

    def on_loopback(self) -> bool:
        """True when only this machine can connect."""
        return self.server.host in _LOOPBACK

    def public_without_keys(self) -> bool:
        """True when everyone on the network could call this process."""
        return not self.on_loopback() and self.auth.mode == "none" and not self.server.allow_unauthenticated


def load_settings(config: Path | None = None, *, data_dir: Path | None = None, **overrides: Any) -> Settings:
    """Read file and environment; raises `ConfigurationError` that names each wrong key. `data_dir` goes before them if it is given."""
    if config is not None and not config.is_file():
        raise ConfigurationError(f"No configuration file at {config}.", hint="Check --config, or leave it out.")
    read: Callable[..., Settings] = type(
        "Settings", (Settings,), {"model_config": SettingsConfigDict(yaml_file=config), "__module__": __name__}
    )
    try:
        return read(**overrides, **({} if data_dir is None else {"data_dir": data_dir}))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'configuration'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"The configuration is not valid: {faults}", hint="`tandem config schema` lists every key."
        ) from error
