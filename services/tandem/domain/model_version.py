"""A version of a model in a registry: what it is, where it lies, and what it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

_FORMATS = {".safetensors": "safetensors", ".gguf": "gguf", ".bin": "pytorch", ".pt": "pytorch", ".pth": "pytorch"}
# Of a repository that holds several, the one that engines take.
_PREFERRED = ("safetensors", "gguf", "pytorch")
# Trainers leave such beside the weights.
_NO_WEIGHTS = ("training_args.", "optimizer.", "scheduler.", "rng_state", "scaler.")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`path` within the model. `size` in bytes and `digest` (sha256) are None where the source does not tell."""

    path: str
    size: int | None = None
    digest: str | None = None

    @property
    def format(self) -> str | None:
        """Of weights; None for any other file."""
        name = self.path.rpartition("/")[2]
        if name.startswith(_NO_WEIGHTS):
            return None
        return next((kind for suffix, kind in _FORMATS.items() if name.endswith(suffix)), None)


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What a version was made from, as far as it is told: a data set with its version, a training run, a model before it."""

    dataset: str | None = None
    training_run: str | None = None
    base_model: str | None = None

    def over(self, other: "Ancestry") -> "Ancestry":
        """What this one says goes before what the other does."""
        return Ancestry(
            self.dataset or other.dataset,
            self.training_run or other.training_run,
            self.base_model or other.base_model,
        )


UNTOLD = Ancestry()


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the memory that a request takes: two numbers (key and value) for each layer, head and place in it."""

    layers: int
    kv_heads: int
    head_size: int
    context_tokens: int

    def kv_bytes_per_token(self, number_bytes: int = 2) -> int:
        """Of the cache; numbers have two bytes unless it is quantized."""
        return 2 * self.layers * self.kv_heads * self.head_size * number_bytes


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """`asked` is what was named (a branch, a tag, an alias; empty: the newest), `version` what that is for good: a commit,
    a digest, a number. `uri` is where a predictor gets exactly this version; empty: nowhere, and `unserved` says why. `gated`: it
    takes credentials to read it.
    """

    name: str
    source: str
    asked: str
    version: str
    uri: str
    files: tuple[ModelFile, ...] = ()
    ancestry: Ancestry = UNTOLD
    shape: Shape | None = None
    gated: bool = False
    unserved: str = ""

    @property
    def format(self) -> str:
        """Of its weights; empty where there are none, or nobody told."""
        found = {each.format for each in self.files}
        return next((kind for kind in _PREFERRED if kind in found), "")

    @property
    def weights(self) -> tuple[ModelFile, ...]:
        """The files that an engine loads."""
        return tuple(each for each in self.files if each.format == self.format) if self.format else ()

    @property
    def weight_bytes(self) -> int | None:
        """Of all weights; None where a size is not told, or there are several GGUFs to choose from."""
        sizes = [each.size for each in self.weights]
        if not sizes or None in sizes or (self.format == "gguf" and len(sizes) > 1):
            return None
        return sum(size for size in sizes if size is not None)


def digest_of(files: Sequence[ModelFile]) -> str:
    """One digest for files that all have one: other content, or another name, is another version."""
    told = "".join(f"{each.path} {each.digest}\n" for each in sorted(files, key=lambda each: each.path))
    return f"sha256:{sha256(told.encode()).hexdigest()}"
