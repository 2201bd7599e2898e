"""How long an engine takes: from the hardware's figures, or as it was measured; and what fits its GPU's memory."""

import math
from dataclasses import dataclass

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.prices import Book, Engine, Gpu, Measured, Model
from tandem.platform.plan.traffic import Traffic

_MOST_SLOTS = 256
# Below that the GPU would hardly be shared: a smaller quantisation is taken where none is asked for.
_FEW_SLOTS = 8
# Several GPUs of one replica wait for each other.
_TOGETHER = 0.85
_ROUND_TOKENS = 256


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """One replica. A step writes a token of each answer: `step_s`, and `step_per_answer_s` more for each of them.

    Prompts are read in turn at `read_tokens_per_s`, `chunk_tokens` a step, of several prompts where they are short; before
    that `first_s` passes, in which others get on. At most `slots` at a time; more are told 429 when it `sheds`, and wait
    inside otherwise. `start_s` from its being asked for until it answers.
    """

    read_tokens_per_s: float
    step_s: float
    step_per_answer_s: float
    first_s: float
    slots: int
    chunk_tokens: int = 2048
    sheds: bool = False
    start_s: float = 240.0

    def answers_at_once(self, rate: float, prompt_tokens: float, answer_tokens: float) -> float:
        """How many run when so many come a second, by Little's law; infinite when they are more than it can do."""
        rest = 1 - rate * prompt_tokens / self.read_tokens_per_s
        if rest <= 0:
            return math.inf
        reading = rate * (self.first_s + prompt_tokens / self.read_tokens_per_s)
        step_s, more_s = self.step_s, self.step_per_answer_s
        # While a prompt is read, answers get on by a token for each of its chunks; steps fill the rest. Of
        # n = reading + rate * answer_tokens / (chunks + rest / (step_s + n * more_s)), the root above 0.
        chunks = rate * max(1.0, prompt_tokens / self.chunk_tokens)
        writing = rate * answer_tokens
        square = chunks * more_s
        linear = chunks * step_s + rest - reading * chunks * more_s - writing * more_s
        constant = -(reading * (chunks * step_s + rest) + writing * step_s)
        if square <= 0:
            found = -constant / linear if linear > 0 else math.inf
        else:
            found = (-linear + math.sqrt(linear * linear - 4 * square * constant)) / (2 * square)
        return found if found <= self.slots else math.inf

    def most(self, prompt_tokens: float, answer_tokens: float) -> float:
        """The rate above which one replica falls behind."""
        low, high = 0.0, self.slots / (self.first_s + prompt_tokens / self.read_tokens_per_s + self.step_s) + 1
        for _ in range(60):
            middle = (low + high) / 2
            if math.isinf(self.answers_at_once(middle, prompt_tokens, answer_tokens)):
                high = middle
            else:
                low = middle
        return low

    @property
    def full_tokens_per_s(self) -> float:
        """What it writes with all slots taken and nothing to read."""
        return self.slots / (self.step_s + self.slots * self.step_per_answer_s)


@dataclass(frozen=True, slots=True)
class Fit:
    """What one replica is: its memory, in GB, and its times. `measured`: from a trace, not from the hardware's figures."""

    quantisation: str
    gpus: int
    weights_gb: float
    overhead_gb: float
    usable_gb: float
    kv_bytes_per_token: int
    input_tokens: int
    total_tokens: int
    times: ServiceTimes
    measured: bool


def fitted(book: Book, traffic: Traffic) -> Fit:
    """The engine with the model on the GPU that the traffic names. Raises `ConfigurationError` when it does not fit."""
    gpu, model, engine = book.gpu(traffic.gpu), book.model(traffic.model), book.engine(traffic.engine)
    _within_context(traffic, model)
    if traffic.quantisation is not None:
        book.quantisation(traffic.quantisation)
        return _fit(book, traffic, gpu, model, engine, traffic.quantisation)
    able = [name for name in book.quantisations if name in model.uris] or list(book.quantisations)
    slots = {name: _slots(book, traffic, gpu, model, name) for name in able}
    chosen = next((name for name in able if slots[name] >= _FEW_SLOTS), max(able, key=lambda name: slots[name]))
    return _fit(book, traffic, gpu, model, engine, chosen)


def _fit(book: Book, traffic: Traffic, gpu: Gpu, model: Model, engine: Engine, quantisation: str) -> Fit:
    slots = _slots(book, traffic, gpu, model, quantisation)
    if slots < 1:
        raise _does_not_fit(book, traffic, model, quantisation)
    known = next((one for one in book.measured if _is_of(one, traffic, quantisation)), None)
    times = (
        _by_hardware(book, traffic, gpu, model, engine, quantisation, slots)
        if known is None
        else _as_measured(known, engine, slots)
    )
    return Fit(
        quantisation,
        traffic.gpus_per_replica,
        weights_gb(book, model, quantisation),
        _overhead_gb(model),
        gpu.usable_gb,
        model.kv_bytes_per_token,
        traffic.prompt_tokens.longest,
        total_tokens(traffic),
        times,
        known is not None,
    )


def _by_hardware(
    book: Book, traffic: Traffic, gpu: Gpu, model: Model, engine: Engine, quantisation: str, slots: int
) -> ServiceTimes:
    together = traffic.gpus_per_replica * (_TOGETHER if traffic.gpus_per_replica > 1 else 1.0)
    bandwidth = gpu.bandwidth_gb_s * 1e9 * engine.bandwidth_share * together
    computing = gpu.tflops * 1e12 * engine.compute_share * together
    per_token = 2e9 * model.parameters
    # Each step reads all weights once, and each answer's own context.
    context = traffic.prompt_tokens.mean + traffic.answer_tokens.mean / 2
    return ServiceTimes(
        read_tokens_per_s=computing * book.quantisation(quantisation).reads / per_token,
        step_s=engine.step_s + weights_gb(book, model, quantisation) * 1e9 / bandwidth,
        step_per_answer_s=context * model.kv_bytes_per_token / bandwidth + per_token / computing,
        first_s=engine.first_s,
        slots=slots,
        chunk_tokens=engine.chunk_tokens,
        sheds=engine.sheds,
        start_s=engine.start_s,
    )


def _as_measured(one: Measured, engine: Engine, slots: int) -> ServiceTimes:
    return ServiceTimes(
        one.read_tokens_per_s,
        one.step_s,
        one.step_per_answer_s,
        one.first_s,
        one.slots or slots,
        engine.chunk_tokens,
        engine.sheds,
        engine.start_s,
    )


def _is_of(one: Measured, traffic: Traffic, quantisation: str) -> bool:
    return (one.engine, one.model, one.gpu, one.quantisation) == (
        traffic.engine,
        traffic.model,
        traffic.gpu,
        quantisation,
    )


def total_tokens(traffic: Traffic) -> int:
    """The longest prompt with the longest answer, rounded up."""
    most = traffic.prompt_tokens.longest + traffic.answer_tokens.longest
    return math.ceil(most / _ROUND_TOKENS) * _ROUND_TOKENS


def _within_context(traffic: Traffic, model: Model) -> None:
    most = traffic.prompt_tokens.longest + traffic.answer_tokens.longest
    if most > model.context_tokens:
        raise ConfigurationError(
            f"The longest prompt and answer have {most} tokens together, {traffic.model} takes {model.context_tokens}.",
            hint="Give shorter ones, or less spread, or another model.",
        )


def weights_gb(book: Book, model: Model, quantisation: str) -> float:
    """As they lie in memory."""
    return (model.parameters - model.wide) * book.quantisation(quantisation).bytes + model.wide * 2.0


def _overhead_gb(model: Model) -> float:
    """CUDA's context and graphs, and the activations of one long prompt, per GPU; as the chart's profiles have it."""
    return 1.7 + 0.07 * model.parameters


def _left_gb(book: Book, gpu: Gpu, model: Model, quantisation: str, gpus: int) -> float:
    return gpus * (gpu.usable_gb - _overhead_gb(model)) - weights_gb(book, model, quantisation)


def _slots(book: Book, traffic: Traffic, gpu: Gpu, model: Model, quantisation: str) -> int:
    """Requests of full length whose caches fit beside the weights."""
    left = _left_gb(book, gpu, model, quantisation, traffic.gpus_per_replica)
    return min(_MOST_SLOTS, int(left * 1e9 / (model.kv_bytes_per_token * total_tokens(traffic))))


def _does_not_fit(book: Book, traffic: Traffic, model: Model, quantisation: str) -> ConfigurationError:
    one_gb = model.kv_bytes_per_token * total_tokens(traffic) / 1e9
    over = one_gb - _left_gb(book, book.gpu(traffic.gpu), model, quantisation, traffic.gpus_per_replica)
    same = [name for name in book.quantisations if _slots(book, traffic, book.gpu(traffic.gpu), model, name) >= 1]
    larger = [name for name, gpu in book.gpus.items() if _slots(book, traffic, gpu, model, quantisation) >= 1]
    anywhere = [
        f"{how} on {name}"
        for name, gpu in book.gpus.items()
        for how in book.quantisations
        if _slots(book, traffic, gpu, model, how) >= 1
    ]
    ways = [f"--quantisation {' or '.join(same)}"] if same else []
    ways += [f"--gpu {' or '.join(larger)}"] if larger else []
    if not ways and anywhere:
        ways = [anywhere[0]]
    ways.append("several GPUs for one replica (--gpus-per-replica)")
    count = f"{traffic.gpus_per_replica} " if traffic.gpus_per_replica > 1 else ""
    return ConfigurationError(
        f"{traffic.model} in {quantisation} does not fit {count}{traffic.gpu}: {over:.1f} GB too much, with one request of "
        f"{total_tokens(traffic)} tokens.",
        hint=f"What would: {'; '.join(ways)}.",
    )
