"""What an InferenceService of the chart tells its engine about the model, and how it is told of another one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelVersion
from tandem.platform.objects import Object, at

Engine = Literal["tgi", "vllm", "small"]
_MARKS: Mapping[str, Engine] = {"MODEL_ID": "tgi", "TANDEM_PREDICTOR__MODEL": "small"}
_MOUNTED = "/mnt/models"
_HUB = re.compile(r"hf://(?P<repo>[^/@:]+/[^/@:]+)(?::(?P<revision>.+)|@(?P<commit>[^/]+)/(?P<file>.+))?")
# vLLM picks the fast kernel of these only when it reads them from the model itself.
_READ_FROM_THE_MODEL = ("awq", "gptq")


@dataclass(frozen=True, slots=True)
class Told:
    """Of the model alone: environment by name, arguments (None: the engine takes none of the model), and what KServe is to
    mount (None: nothing).
    """

    env: Mapping[str, str]
    args: tuple[str, ...] | None
    storage_uri: str | None

    def fields(self) -> dict[str, Any]:
        """As `spec.predictor.model` has them."""
        found: dict[str, Any] = {"env": [{"name": name, "value": value} for name, value in self.env.items()]}
        if self.args is not None:
            found["args"] = list(self.args)
        if self.storage_uri is not None:
            found["storageUri"] = self.storage_uri
        return found


def engine_of(service: Object) -> Engine:
    """Raises `ConfigurationError` for one that the chart has not made."""
    for name in environment(service):
        if name in _MARKS:
            return _MARKS[name]
    if any(str(each).startswith("--model=") for each in arguments(service)):
        return "vllm"
    raise ConfigurationError(
        f"The InferenceService {at(service, 'metadata', 'name')} is none that Tandem's chart makes: its engine is not known.",
        hint="Install the chart with predictor.enabled, or name its release with --release.",
    )


def environment(service: Object) -> dict[str, str]:
    """Plain values by name; empty for what comes from elsewhere, such as a Secret."""
    found = at(service, "spec", "predictor", "model", "env", default=())
    return {str(each["name"]): str(each.get("value") or "") for each in found}


def arguments(service: Object) -> tuple[str, ...]:
    """Of its engine."""
    return tuple(map(str, at(service, "spec", "predictor", "model", "args", default=())))


def told_now(service: Object) -> Told:
    """What it is told of its model at present."""
    env, engine = environment(service), engine_of(service)
    ours = {"tgi": ("MODEL_ID", "REVISION", "QUANTIZE"), "vllm": (), "small": ("TANDEM_PREDICTOR__MODEL",)}[engine]
    kept = {name: env[name] for name in (*ours, "HF_HUB_OFFLINE") if name in env}
    uri = at(service, "spec", "predictor", "model", "storageUri")
    return Told(kept, arguments(service) if engine == "vllm" else None, uri)


def told_of(service: Object, version: ModelVersion, quantization: str, file: str) -> Told:
    """What it is to be told of this version. Raises `ConfigurationError` for a format that the engine does not read."""
    engine = engine_of(service)
    check_format(engine, version)
    hub = _HUB.fullmatch(version.uri)
    if engine == "small":
        # It reads a file, where the others read a folder.
        file = file or next((each.path for each in version.weights), "")
    path = hub["repo"] if hub else f"{_MOUNTED}/{file}".rstrip("/")
    # What is mounted keeps its version here too: the engine looks at it for a model of the hub alone.
    revision = (hub["revision"] if hub else None) or version.version
    storage = None if hub else version.uri
    offline = {"HF_HUB_OFFLINE": "0" if hub else "1"}
    if engine == "small":
        return Told({"TANDEM_PREDICTOR__MODEL": version.uri if hub else path, **offline}, None, storage)
    if engine == "tgi":
        quantize = {"QUANTIZE": quantization} if quantization else {}
        return Told({"MODEL_ID": path, "REVISION": revision, **quantize, **offline}, None, storage)
    others = [
        each for each in arguments(service) if not each.startswith(("--model=", "--revision=", "--quantization="))
    ]
    named = [f"--model={path}", *([f"--revision={revision}"] if hub else [])]
    if quantization and quantization not in _READ_FROM_THE_MODEL:
        others.append(f"--quantization={quantization}")
    return Told(offline, (*named, *others), storage)


def check_format(engine: Engine, version: ModelVersion) -> None:
    """GGUF is for Tandem's own engine, everything else for TGI and vLLM."""
    if not version.format:
        return
    if (version.format == "gguf") != (engine == "small"):
        wants = "GGUF files" if engine == "small" else "safetensors"
        other = "tgi or vllm" if engine == "small" else "small"
        raise ConfigurationError(
            f"{version.name} is in the format {version.format}; the engine {engine} reads {wants}.",
            hint=f"Take a repository with {wants}, or install the chart with predictor.runtime={other}.",
        )
    if engine == "small" and len(version.weights) > 1:
        raise ConfigurationError(
            f"{version.name} holds {len(version.weights)} GGUF files.",
            hint=f"Name one in models.{version.name}.file: {', '.join(each.path for each in version.weights)}.",
        )
