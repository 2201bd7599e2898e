"""Settings of the models that the registry knows, and the source that each one has. `docs/registry.md` tells more."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from tandem.app.group import Group
from tandem.domain.errors import ConfigurationError, UnknownModel
from tandem.domain.model_version import Ancestry, ModelVersion
from tandem.ports.models import ModelSource

# What KServe's storage initializer reads, too.
_BUCKETS = ("s3", "gs")
# As KServe has them: in a container beside the engine, or as a volume of the image's own.
_IMAGES = ("oci", "oci+native")


class ModelGate(Group):
    """What a model must pass before it is promoted: runs of `tandem eval --answers --results`."""

    golden: Path | None = None
    """The questions that it is measured on: a golden.jsonl, or a folder in BEIR's layout."""
    metric: Literal[
        "citation_precision",
        "citation_recall",
        "gold_cited",
        "cites_gold",
        "groundedness",
        "answer_contains",
        "answer_f1",
    ] = "groundedness"
    """The measure of its answers that counts."""
    min_measure: float = Field(default=0.0, ge=0, le=1)
    """Least value of the metric."""
    max_drop: float = Field(default=0.02, ge=0, le=1)
    """How much less it may be than the serving model's."""


class Follow(Group):
    """Models that are followed as soon as their registries call `/v1/hooks/models/NAME`. `docs/registry.md` tells more."""

    secret: SecretStr | None = Field(default=None, min_length=16)
    """What the registries' webhooks sign with, or send along."""
    cronjobs: dict[str, str] = Field(default_factory=dict)
    """CronJobs in the namespace of this pod that follow a model, by its name; the chart sets it."""


class RegisteredModel(Group):
    """A model: where it is kept, and what is known of it."""

    source: str = Field(min_length=1)
    """hf://ORG/NAME[@REVISION], mlflow://NAME[/VERSION] or mlflow://NAME@ALIAS, oci://REGISTRY/REPOSITORY:TAG (or @sha256:…), s3://BUCKET/PREFIX, or a path of a folder."""
    server: str | None = None
    """Of mlflow://: the tracking server's address."""
    server_token: SecretStr | None = None
    """Sent to it as Bearer token; USER:PASSWORD: as these."""
    docker_config: Path | None = None
    """Of oci://: a config.json with logins as `docker login` writes it, or a Secret's .dockerconfigjson; unset: ~/.docker/config.json."""
    served_from: str | None = Field(default=None, pattern=r"^(pvc|s3|gs|oci|oci\+native)://.+")
    """Where a predictor on Kubernetes gets it, when not from the source itself: pvc://CLAIM/PATH, s3://…, gs://…, oci://…"""
    file: str = ""
    """The GGUF to take, where there are several."""
    quantization: str = ""
    """Of the weights, as TGI and vLLM name it; unset: as the model's own config.json says."""
    dataset: str | None = None
    """The data set that it was trained on, with its version; before what the source says."""
    training_run: str | None = None
    """The run that made it; before what the source says."""
    gate: ModelGate = ModelGate()
    """What it must pass before it is promoted."""

    @property
    def ancestry(self) -> Ancestry:
        """As far as it is told here."""
        return Ancestry(self.dataset, self.training_run)


def registered(models: Mapping[str, RegisteredModel], name: str) -> RegisteredModel:
    """Raises `UnknownModel`."""
    if name not in models:
        known = ", ".join(models) or "none"
        raise UnknownModel(
            f"There is no model {name}.", hint=f"The configuration has {known} (models:).", param="model"
        )
    return models[name]


def with_told(told: RegisteredModel, version: ModelVersion) -> ModelVersion:
    """What the configuration says goes before what the source does."""
    ancestry = told.ancestry.over(version.ancestry)
    if told.served_from is None:
        return replace(version, ancestry=ancestry)
    return replace(version, ancestry=ancestry, uri=told.served_from, unserved="")


def model_source(name: str, told: RegisteredModel, revision: str | None = None) -> ModelSource:
    """What opens it; `revision` goes before the one in the configuration. Raises `ConfigurationError`."""
    scheme = told.source.partition("://")[0] if "://" in told.source else ""
    source = told.source if revision is None else _at(told.source, scheme, revision)
    if scheme == "hf":
        from tandem.adapters.models.hub import HubModel

        return HubModel(name, source, told.file)
    if scheme == "mlflow":
        from tandem.adapters.models.mlflow import MlflowModel

        token = None if told.server_token is None else told.server_token.get_secret_value()
        return MlflowModel(name, source, told.server, token, told.file)
    if scheme in _IMAGES:
        from tandem.adapters.models.oci import OciModel

        return OciModel(name, source, told.docker_config, told.file)
    if scheme in _BUCKETS:
        from tandem.adapters.models.bucket import BucketModel

        return BucketModel(name, source, told.file)
    if not scheme:
        from tandem.adapters.models.folder import FolderModel

        return FolderModel(name, Path(source) / told.file)
    raise ConfigurationError(
        f"models.{name}.source {told.source} is of no kind that is known here.",
        hint="Write hf://ORG/NAME@REVISION, mlflow://NAME@ALIAS, oci://REGISTRY/REPOSITORY:TAG, s3://BUCKET/PREFIX, or the path of a folder.",
    )


def _at(source: str, scheme: str, revision: str) -> str:
    if scheme == "hf":
        return f"{source.partition('@')[0]}@{revision}"
    if scheme == "mlflow":
        model = source.removeprefix("mlflow://").partition("@")[0].partition("/")[0]
        return f"mlflow://{model}{'/' if revision.isdigit() else '@'}{revision}"
    if scheme in _IMAGES:
        bare = re.sub(r"(:[^/:@]+)?(@[^@]*)?$", "", source)
        return f"{bare}{'@' if revision.startswith('sha256:') else ':'}{revision}"
    raise ConfigurationError(f"{source} has one version only, what lies there.", hint="Leave the revision out.")
