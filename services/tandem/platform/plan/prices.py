"""The price book: what GPUs, CPUs, memory and answers cost, what hardware and models are, and where each figure is from."""

from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import Field, field_validator, model_validator

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.reading import Part, overlaid, read_yaml, validated

HOURS_A_MONTH = 730.0
HOURS_A_YEAR = 8760.0
# What a price may be for, in what the reckoning is done in.
_UNITS = {
    "gpu-hour": ("gpu-hour", 1.0),
    "gpu-month": ("gpu-hour", 1 / HOURS_A_MONTH),
    "vcpu-hour": ("vcpu-hour", 1.0),
    "vcpu-month": ("vcpu-hour", 1 / HOURS_A_MONTH),
    "gb-month": ("gb-month", 1.0),
    "gb-hour": ("gb-month", HOURS_A_MONTH),
    "gpu": ("gpu", 1.0),
    "kwh": ("kwh", 1.0),
    "kw-month": ("kw-month", 1.0),
    "million-tokens": ("million-tokens", 1.0),
    "thousand-tokens": ("million-tokens", 1000.0),
}
T = TypeVar("T")
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Sourced(Part):
    """Where a figure is from, and when it was looked at."""

    source: str = Field(min_length=1)
    date: date


class _Priced(Sourced):
    unit: str

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        currency, slash, what = unit.partition("/")
        if not slash or not currency or what not in _UNITS:
            raise ValueError(f"unknown unit {unit!r}; known are {', '.join(f'usd/{one}' for one in _UNITS)}")
        return unit

    def factor(self, wanted: str, currency: str, where: str) -> float:
        """What brings a price to the wanted unit. Raises `ConfigurationError` for a unit of something else."""
        money, _, what = self.unit.partition("/")
        means, factor = _UNITS[what]
        if means != wanted:
            raise ConfigurationError(f"{where}: {self.unit} is no price for this; give {currency.lower()}/{wanted}.")
        if money.lower() != currency.lower():
            raise ConfigurationError(f"{where}: {self.unit} is not in {currency}, the book's currency.")
        return factor


class Price(_Priced):
    """So much for one of these."""

    price: float = Field(ge=0)


class TokenPrice(_Priced):
    """A provider's model: its name there, and what prompts and answers cost."""

    name: str
    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Gpu(Part):
    """One GPU with its share of the machine."""

    memory_gb: Positive
    usable_gb: Positive
    bandwidth_gb_s: Positive
    tflops: Positive
    vcpus: Positive
    kilowatts: float = Field(ge=0)
    spec: Sourced
    rented: Price
    bought: Price


class RentedBought(Part):
    """The same in the cloud and on own machines."""

    rented: Price
    bought: Price


class Owning(Part):
    """What owning takes besides the machine."""

    years: Positive
    upkeep_share: float = Field(ge=0)
    pue: float = Field(ge=1)
    power: Price
    hosting: Price


class Model(Sourced):
    """A model's size; billions of parameters, of which `wide` stay in 16 bits."""

    parameters: Positive
    wide: float = Field(ge=0)
    layers: int = Field(ge=1)
    kv_bytes_per_token: int = Field(ge=1)
    context_tokens: int = Field(ge=1)
    uris: dict[str, str] = Field(default_factory=dict)
    api: TokenPrice | None = None


class Quantisation(Part):
    """`bytes` of a parameter; `reads`: the share of the 16-bit speed that prompts are read with."""

    bytes: Positive
    reads: Positive


class Engine(Sourced):
    """How close an engine comes to the hardware, and its own times."""

    bandwidth_share: Share
    compute_share: Share
    step_s: float = Field(ge=0)
    first_s: float = Field(ge=0)
    chunk_tokens: int = Field(ge=1)
    sheds: bool
    start_s: float = Field(ge=0)


class Measured(Sourced):
    """An engine as it was measured with one model on one GPU."""

    engine: str
    model: str
    gpu: str
    quantisation: str
    read_tokens_per_s: Positive
    step_s: float = Field(ge=0)
    step_per_answer_s: float = Field(ge=0)
    first_s: float = Field(ge=0)
    slots: int | None = Field(default=None, ge=1)
    answers: int = Field(ge=1)

    @model_validator(mode="after")
    def _steps_take_time(self) -> Self:
        # Where answers only take turns, a step is theirs alone.
        if self.step_s + self.step_per_answer_s <= 0:
            raise ValueError("a step takes no time: step_s and step_per_answer_s are both 0")
        return self


class Api(Sourced):
    """A provider's endpoint."""

    url: str
    first_token_s: Positive
    tokens_per_s: Positive
    spread: float = Field(ge=0)


class Hop(Sourced):
    """Retrieval as a service of its own: CPU of one question where it is inside the gateway, and on both sides where it is not;
    what it adds to first tokens; and memory of the processes.
    """

    inside_cpu_s: Positive
    gateway_cpu_s: Positive
    retriever_cpu_s: Positive
    first_token_p50_s: float = Field(ge=0)
    first_token_p99_s: float = Field(ge=0)
    inside_gb: Positive
    gateway_gb: Positive
    retriever_gb: Positive


class Book(Part):
    """All of it."""

    version: int = Field(ge=1, le=1)
    date: date
    currency: str
    gpus: dict[str, Gpu]
    cpu: RentedBought
    memory: RentedBought
    owning: Owning
    models: dict[str, Model]
    quantisations: dict[str, Quantisation]
    engines: dict[str, Engine]
    measured: tuple[Measured, ...] = ()
    api: Api
    retrieval: Hop

    @model_validator(mode="after")
    def _in_one_currency(self) -> Self:
        for name, gpu in self.gpus.items():
            gpu.rented.factor("gpu-hour", self.currency, f"gpus.{name}.rented")
            gpu.bought.factor("gpu", self.currency, f"gpus.{name}.bought")
        for price, wanted, where in (
            (self.cpu.rented, "vcpu-hour", "cpu.rented"),
            (self.cpu.bought, "vcpu-hour", "cpu.bought"),
            (self.memory.rented, "gb-month", "memory.rented"),
            (self.memory.bought, "gb-month", "memory.bought"),
            (self.owning.power, "kwh", "owning.power"),
            (self.owning.hosting, "kw-month", "owning.hosting"),
        ):
            price.factor(wanted, self.currency, where)
        for name, model in self.models.items():
            if model.api is not None:
                model.api.factor("million-tokens", self.currency, f"models.{name}.api")
        return self

    def gpu(self, name: str) -> Gpu:
        """Raises `ConfigurationError` for one that is not in the book."""
        return _known(self.gpus, name, "GPU")

    def model(self, name: str) -> Model:
        """Raises `ConfigurationError` for one that is not in the book."""
        return _known(self.models, name, "model")

    def engine(self, name: str) -> Engine:
        """Raises `ConfigurationError` for one that is not in the book."""
        return _known(self.engines, name, "engine")

    def quantisation(self, name: str) -> Quantisation:
        """Raises `ConfigurationError` for one that is not in the book."""
        return _known(self.quantisations, name, "quantisation")

    def rented_gpu_hour(self, name: str) -> float:
        """One GPU with its share of a rented machine."""
        price = self.gpu(name).rented
        return price.price * price.factor("gpu-hour", self.currency, name)

    def owned_gpu_hour(self, name: str) -> float:
        """The same on an own machine: paid off over its years, with upkeep, power and its place, whether it works or not."""
        gpu, owning = self.gpu(name), self.owning
        machine = gpu.bought.price / (owning.years * HOURS_A_YEAR) + (
            gpu.bought.price * owning.upkeep_share / HOURS_A_YEAR
        )
        power = gpu.kilowatts * owning.pue * owning.power.price
        return machine + power + gpu.kilowatts * owning.hosting.price / HOURS_A_MONTH

    def vcpu_hour(self, *, owned: bool) -> float:
        """One virtual CPU with its memory."""
        price = self.cpu.bought if owned else self.cpu.rented
        return price.price * price.factor("vcpu-hour", self.currency, "cpu")

    def gb_month(self, *, owned: bool) -> float:
        """One GB of a store's memory."""
        price = self.memory.bought if owned else self.memory.rented
        return price.price * price.factor("gb-month", self.currency, "memory")

    def token_prices(self, model: str) -> tuple[float, float] | None:
        """What one prompt token and one answer token cost at a provider; None when the book has none that serves the model."""
        api = self.model(model).api
        if api is None:
            return None
        factor = api.factor("million-tokens", self.currency, model) * 1e-6
        return api.input * factor, api.output * factor


def load_book(own: Path | None = None) -> Book:
    """The package's book, with the figures of a file of one's own laid over it. Raises `ConfigurationError`."""
    text = (resources.files("tandem.platform.plan") / "book.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    if own is None:
        return validated(Book, data, "price book")
    return validated(Book, overlaid(data, _with_origin(data, read_yaml(own, "price book"), own)), f"price book {own}")


def _with_origin(base: Any, own: dict[str, Any], file: Path) -> dict[str, Any]:
    """Own figures name their file where they name no source: the book's would be wrong for them."""
    found = {key: _with_origin(base.get(key) if isinstance(base, dict) else None, value, file) if isinstance(value, dict) else value for key, value in own.items()}  # fmt: skip
    if (
        isinstance(base, dict)
        and "source" in base
        and "source" not in own
        and {"price", "input", "output"} & own.keys()
    ):
        found["source"] = str(file)
    return found


def _known(entries: Mapping[str, T], name: str, what: str) -> T:
    if name not in entries:
        raise ConfigurationError(
            f"There is no {what} {name!r} in the price book.",
            hint=f"Known are {', '.join(sorted(entries))}; --prices FILE adds others.",
        )
    return entries[name]
