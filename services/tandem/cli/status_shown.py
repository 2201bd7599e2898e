"""The vitals of a fleet as a terminal shows them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tandem.platform.vitals.vitals import PoolVitals, Process, Vitals

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def shown(found: Vitals) -> Group:
    """Everything there is, one part below the other; what does not exist there is left out."""
    return Group(*_parts(found))


def _parts(found: Vitals) -> Iterator[RenderableType]:
    asked = found.requests
    yield Text.assemble((found.place, "bold"), f"   over the last {found.interval_s:.1f} s", style="default")
    yield _line(
        "requests",
        f"{_rate(asked.rate)} in flight {asked.in_flight}",
        _bad("failed", asked.failed),
        _bad("refused", asked.refused),
        _bad("left", asked.client_closed),
    )
    yield _line(
        "answers",
        f"first token p50 {_time(asked.first_token_p50_s)} p99 {_time(asked.first_token_p99_s)}",
        f"whole p50 {_time(asked.p50_s)} p99 {_time(asked.p99_s)}",
        f"{asked.tokens:.1f} tokens/s",
        *(f"{outcome} {_rate(rate)}" for outcome, rate in sorted(found.answers.items())),
    )
    retrieval = found.retrieval
    yield _line(
        "retrieval",
        _rate(retrieval["rate"] or 0.0),
        f"p50 {_time(retrieval['p50_s'])} p99 {_time(retrieval['p99_s'])}",
        _bad("failed", retrieval["failed"] or 0.0),
        *(_bad(word, rate) for word, rate in sorted(found.degraded.items())),
    )
    yield from _pools(found.pools)
    yield from _tenants(found.tenants)
    if found.quality:
        means = [f"{measure} {mean:.2f}" for measure, mean in sorted(found.quality.items())]
        yield _line("quality", *means, "" if found.drift is None else f"drift {found.drift:.3f}")
    if found.documents or found.versions:
        yield _line(
            "documents",
            *(f"{status} {_rate(rate)}" for status, rate in sorted(found.documents.items())),
            *(f"{collection}@{number}" for collection, number in sorted(found.versions.items())),
        )
    if (release := found.release) is not None:
        idle = f"not at {', '.join(release.idle)}" if release.idle else ""
        yield _line(
            "release",
            f"{release.serving} serves",
            f"{release.tried} is tried: {release.how} with {release.weight:.0%}" if release.tried else "none is tried",
            Text(idle, style="not bold red") if idle else "",
        )
    if found.spool:
        yield _line(
            "spool",
            f"{_size(found.spool.get('bytes', 0))} in {found.spool.get('records', 0):.0f} records",
            f"{found.spool.get('queued', 0):.0f} queued",
            *(f"{sink} behind by {lag:.0f}" for sink, lag in sorted(found.sinks.items())),
            *(_bad(f"dropped ({reason})", rate) for reason, rate in sorted(found.dropped.items())),
        )
    yield from _processes(found.processes)


def _pools(pools: Sequence[PoolVitals]) -> Iterator[RenderableType]:
    if not pools:
        return
    columns = ("pool", "running", "waiting", "demand", "req/s", "refused/s", "wait p99", "servers", "today")
    yield _table(
        columns,
        (
            (
                pool.pool,
                f"{pool.running}/{pool.limit}",
                f"{pool.waiting}" + (f"+{pool.held} held" if pool.held else ""),
                f"{pool.demand}",
                f"{pool.rate:.1f}",
                f"{pool.refused:.1f}",
                _time(pool.wait_p99_s),
                " ".join(f"{count} {state}" for state, count in sorted(pool.endpoints.items())) or "none",
                f"{pool.tokens_today:,} tokens" + (f", {pool.cost_today:.2f}" if pool.cost_today else ""),
            )
            for pool in pools
        ),
    )


def _tenants(tenants: Mapping[str, Mapping[str, float]]) -> Iterator[RenderableType]:
    if tenants:
        rows = (
            (tenant, f"{rates['requests']:.1f}", f"{rates['tokens']:.1f}") for tenant, rates in sorted(tenants.items())
        )
        yield _table(("tenant", "req/s", "tokens/s"), rows)


def _processes(processes: Sequence[Process]) -> Iterator[RenderableType]:
    yield _table(
        ("process", "target", "version", "state", "req/s", "in flight", ""),
        (
            (
                each.name,
                each.target,
                each.version,
                each.state,
                f"{each.rate:.1f}",
                f"{each.in_flight}",
                each.fault,
            )
            for each in processes
        ),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name.upper(), justify="left" if number == 0 or name in _WORDS else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


_WORDS = frozenset({"target", "version", "state", "servers", "today", ""})


def _line(name: str, *told: str | Text) -> Text:
    line = Text(f"{name:11}", style="bold")
    for number, each in enumerate([part for part in told if part]):
        line.append(" · " if number else "", style="dim")
        line.append_text(each if isinstance(each, Text) else Text(each, style="not bold"))
    return line


def _bad(name: str, rate: float) -> Text | str:
    return Text(f"{name} {_rate(rate)}", style="not bold red") if rate else ""


def _rate(rate: float) -> str:
    return f"{rate:.1f}/s" if rate >= 0.1 or not rate else f"{rate * 60:.1f}/min"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
