"""Whether model, context and concurrency fit the memory of the GPU: by the budget in the values, the price book's models, the nodes' labels."""

from collections.abc import Iterator, Mapping
from typing import Any

from tandem.domain.errors import ConfigurationError
from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import at, labels_of, name_of
from tandem.platform.placement import gpu_memory_gb, matching
from tandem.platform.plan.engines import weights_gb
from tandem.platform.plan.prices import Book, Model, load_book
from tandem.platform.references import pod_specs

_SUBJECT = "values/predictor.budget"
# Weights of one size differ a little by what is left in 16 bits.
_SAME = 0.9


def vram(facts: Facts) -> Iterator[Finding]:
    """The chart holds the budget to itself; here it is held to what the model and the GPU really are."""
    predictor: Mapping[str, Any] = at(facts.installed.values if facts.installed else {}, "predictor", default={})
    budget: Mapping[str, Any] = predictor.get("budget") or {}
    own = predictor.get("enabled") and not at(predictor, "external", "url") and predictor.get("runtime") != "small"
    if not own or not budget.get("gpuMemoryGB"):
        return
    try:
        yield from _model(predictor, {key: float(value) for key, value in budget.items()})
        yield from _gpu(facts, float(budget["gpuMemoryGB"]))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"predictor.budget has something that is no number: {error}.") from error


def _model(predictor: Mapping[str, Any], budget: Mapping[str, float]) -> Iterator[Finding]:
    book = load_book()
    uri = str(at(predictor, "model", "uri", default=""))
    known = _known(book, uri, str(at(predictor, "model", "quantization", default="")))
    weights, per_token = budget.get("weightsGB", 0.0), budget.get("kvBytesPerToken", 0.0)
    who = "the model"
    if known is not None:
        name, quantisation, model = known
        who = f"{name} in {quantisation}"
        real = weights_gb(book, model, quantisation)
        weights = real if weights < real * _SAME else weights
        per_token = max(per_token, model.kv_bytes_per_token)
        if budget.get("maxTotalTokens", 0) > model.context_tokens:
            yield _finding(
                f"maxTotalTokens is {budget['maxTotalTokens']:.0f}, and {name} takes {model.context_tokens}",
                f"set predictor.budget.maxTotalTokens to at most {model.context_tokens}",
            )
    yield from _fit(budget, weights, per_token, who)


def _fit(budget: Mapping[str, float], weights: float, per_token: float, who: str) -> Iterator[Finding]:
    """Weights, caches of full requests and overhead, within what may be used."""
    gpus, requests, tokens = (budget.get(key, 1.0) for key in ("gpus", "maxConcurrentRequests", "maxTotalTokens"))
    one = per_token * tokens / 1e9
    fixed = weights + budget.get("overheadGB", 0.0) * gpus
    usable = min(budget.get("usableGB", budget["gpuMemoryGB"]), budget["gpuMemoryGB"]) * gpus
    if fixed + one * requests <= usable:
        return
    fitting = int((usable - fixed) / one) if one else 0
    fix = (
        f"lower predictor.budget.maxConcurrentRequests to {fitting}, or maxTotalTokens"
        if fitting >= 1
        else "take a smaller quantisation of it, a larger GPU, or more of them (predictor.budget.gpus)"
    )
    yield _finding(
        f"{who} needs {fixed + one * requests:.1f} GB (weights {weights:.1f}, caches of {requests:.0f} requests of "
        f"{tokens:.0f} tokens {one * requests:.1f}, overhead {fixed - weights:.1f}), and {usable:.1f} may be used",
        f"{fix}; give the model's own weightsGB and kvBytesPerToken",
    )


def _known(book: Book, uri: str, quantization: str) -> tuple[str, str, Model] | None:
    """By the address of its weights, else by its name in it."""
    place = uri.partition("://")[2].partition(":")[0]
    for name, model in book.models.items():
        for quantisation, weights in model.uris.items():
            if weights.partition("://")[2].partition(":")[0] == place:
                return name, quantisation, model
    named = next((name for name in book.models if name in place.lower()), None)
    quantisation = quantization or "fp16"
    if named is None or quantisation not in book.quantisations:
        return None
    return named, quantisation, book.models[named]


def _gpu(facts: Facts, counted: float) -> Iterator[Finding]:
    """Of the nodes that the predictor may go to."""
    spec = next((spec for component, spec in pod_specs(facts) if component == "predictor"), None)
    for node in matching({"spec": spec}, facts.of("Node")) if spec is not None else ():
        has = gpu_memory_gb(labels_of(node))
        if has is not None and has < counted * _SAME:
            yield _finding(
                f"the GPU of node {name_of(node)} has {has:.0f} GB by its label, and the budget counts with {counted:g}",
                "narrow predictor.nodeSelector to the larger GPUs, or take the profile that is made for this one",
            )


def _finding(problem: str, fix: str) -> Finding:
    return Finding("vram", _SUBJECT, problem, fix, "predictor")
