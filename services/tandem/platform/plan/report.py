"""A plan as one HTML file that needs nothing else: what is recommended and why, costs, the day, break-even points, sources."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jinja2

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.body import by_hour, per_thousand
from tandem.platform.plan.drawing import Bar, Line, lines, stacked
from tandem.platform.plan.planning import Plan
from tandem.platform.plan.traffic import HOURS

_KINDS = {"monolith": "k1", "microservices": "k2", "on-prem": "k3", "cloud": "k4", "hybrid": "k5"}


def write_report(file: Path, plan: Plan) -> None:
    """Raises `ConfigurationError` for a file that cannot be written."""
    source = (resources.files("tandem.platform.plan") / "report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(source).render(
        plan=plan,
        **plots(plan),
        per_thousand=per_thousand,
        facts=list(_facts(plan)),
        sources=list(_sources(plan)),
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The report {file} cannot be written: {error.strerror}.", hint="Name another file with --report."
        ) from error


def plots(plan: Plan) -> dict[str, str]:
    """The drawings by name. Their colours are the classes of the report's style."""
    drawn = {"costs": _costs, "idle": _idle, "day": _day, "replicas": _replicas, "curves": _curves}
    return {name: draw(plan) for name, draw in drawn.items()}


def _costs(plan: Plan) -> str:
    bars = [
        Bar(
            shape.name,
            tuple((kind, getattr(shape.cost, kind)) for kind in ("gpu", "cpu", "store", "api")),
            f"{shape.cost.total:,.0f}",
        )
        for shape in plan.shapes
    ]
    return stacked(f"cost a month in {plan.book.currency}", bars)


def _idle(plan: Plan) -> str:
    bars = [
        Bar(
            shape.name,
            (("used", shape.cost.gpu - shape.cost.idle), ("idle", shape.cost.idle)),
            f"{shape.cost.idle:,.0f} idle ({1 - shape.figures.used:.0%})",
        )
        for shape in plan.shapes
        if shape.most_replicas
    ]
    return stacked("what GPUs cost, and what of it idles", bars)


def _day(plan: Plan) -> str:
    rates = plan.traffic.minutes()
    hours = [minute / 60 for minute in range(len(rates))]
    return lines("requests", [Line("requests", "k2", hours, list(rates))], across="hour", up="requests a second")


def _replicas(plan: Plan) -> str:
    found = [
        Line(shape.name, _KINDS[shape.name], range(HOURS), by_hour(shape.replicas))
        for shape in plan.shapes
        if shape.most_replicas
    ]
    return lines("replicas over the day", found, across="hour", up="replicas") if found else ""


def _curves(plan: Plan) -> str:
    found = [Line(curve.name, _KINDS[curve.name], curve.rates, curve.costs) for curve in plan.curves]
    return lines(
        "cost a month by rate",
        found,
        across="requests a second in the busiest hour",
        up=f"{plan.book.currency} a month",
        logarithmic=True,
    )


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    traffic, fit, times = plan.traffic, plan.fit, plan.fit.times
    yield "requests", f"{traffic.peak:g} a second in the busiest hour, {traffic.mean:.2f} over the day"
    yield "prompt", f"{traffic.prompt_tokens.mean:g} tokens on average, {traffic.prompt_tokens.longest} at most"
    yield "answer", f"{traffic.answer_tokens.mean:g} tokens on average, {traffic.answer_tokens.longest} at most"
    yield "documents", f"{traffic.documents:,}"
    yield "objectives", _objectives(plan)
    yield (
        "replica",
        (
            f"{traffic.model} in {fit.quantisation} by {traffic.engine} on {fit.gpus} x {traffic.gpu}: {fit.weights_gb:.1f} GB of "
            f"weights, {times.slots} requests of {fit.total_tokens} tokens at a time"
        ),
    )
    yield (
        "its times",
        (
            f"reads {times.read_tokens_per_s:,.0f} tokens a second, a step takes {times.step_s * 1e3:.1f} ms and "
            f"{times.step_per_answer_s * 1e3:.2f} ms for each answer, starts in {times.start_s:g} s"
            + (" (measured)" if fit.measured else " (reckoned from the hardware)")
        ),
    )
    yield (
        "gateway",
        (
            f"{traffic.gateway.cpu_s * 1e3:g} ms of CPU and {traffic.gateway.latency_s * 1e3:g} ms of waiting for each request, "
            f"{traffic.gateway.requests_per_second:g} requests a second for each pod"
        ),
    )
    yield "retriever of its own", plan.apart.told(plan.book.currency)
    for name, tenant in traffic.tenants.items():
        where = "anywhere" if tenant.regions is None else ", ".join(sorted(tenant.regions))
        yield f"tenant {name}", f"{tenant.share:.0%} of the requests, answered in: {where}"
    regions = traffic.regions
    yield "regions", f"own machines {regions.onprem}, rented ones {regions.cloud}, the provider {regions.api}"
    yield "simulated", f"{plan.windows} windows"


def _objectives(plan: Plan) -> str:
    slo = plan.traffic.slo
    whole = f", whole answers within {slo.answer_p99_s:g} s" if slo.answer_p99_s is not None else ""
    return f"p99: first token within {slo.first_token_p99_s:g} s{whole}; at most {slo.refused_share:.1%} refused"


def _sources(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    """What, how much, where from, when."""
    book, traffic = plan.book, plan.traffic
    gpu, model, engine = book.gpu(traffic.gpu), book.model(traffic.model), book.engine(traffic.engine)
    for what, price in (
        (f"{traffic.gpu}, rented", gpu.rented),
        (f"{traffic.gpu}, bought", gpu.bought),
        ("vCPU, rented", book.cpu.rented),
        ("vCPU, own", book.cpu.bought),
        ("store, rented", book.memory.rented),
        ("store, own", book.memory.bought),
        ("power", book.owning.power),
        ("hosting", book.owning.hosting),
    ):
        yield what, f"{price.price:g} {price.unit}", price.source, price.date.isoformat()
    own = f"{book.owned_gpu_hour(traffic.gpu):.3f} {book.currency.lower()}/gpu-hour"
    yield f"{traffic.gpu}, own", own, f"the above over {book.owning.years:g} years", book.date.isoformat()
    yield traffic.gpu, f"{gpu.bandwidth_gb_s:g} GB/s, {gpu.tflops:g} TFLOPS", gpu.spec.source, gpu.spec.date.isoformat()
    if model.api is not None:
        cost = f"{model.api.input:g} in, {model.api.output:g} out, {model.api.unit}"
        yield f"{traffic.model} at a provider", cost, model.api.source, model.api.date.isoformat()
        pace = f"{book.api.first_token_s:g} s to the first token, then {book.api.tokens_per_s:g} tokens a second"
        yield "provider", pace, book.api.source, book.api.date.isoformat()
    yield traffic.model, f"{model.parameters:g} billion parameters", model.source, model.date.isoformat()
    share = f"{engine.bandwidth_share:.0%} of the bandwidth, {engine.compute_share:.0%} of the computing"
    yield traffic.engine, share, engine.source, engine.date.isoformat()
    hop = book.retrieval
    taken = f"{hop.inside_cpu_s * 1e3:g} ms of CPU inside; apart {hop.gateway_cpu_s * 1e3:g} and {hop.retriever_cpu_s * 1e3:g} ms"
    yield "retriever of its own", taken, hop.source, hop.date.isoformat()
