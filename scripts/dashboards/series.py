"""What PromQL names, held against the metrics that there are: series, the labels they are selected and grouped by."""

import re
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector

from metric_families import families
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.http.predictor.meter import TgiMeter

# What scraping adds to every series.
SCRAPED = frozenset({"namespace", "pod"})
# vLLM's own, as its page on production metrics names them.
VLLM = ("vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc")

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"#[^\n]*")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_SELECTOR = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)\s*(?:\{([^{}]*)\})?(?!\s*\(|[\w:])")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})
# Grafana's own: no series.
_VARIABLES = re.compile(r"\$\{?\w+\}?")
_DURATION = re.compile(r"\[[^\]]*\]")


def exported() -> dict[str, frozenset[str]]:
    """Every series that a process of ours has, or an engine has, with its labels."""
    found: dict[str, set[str]] = {name: set() for name in VLLM}
    for family in families("tandem_", "gen_ai_"):
        found |= {name: {*family.labels, *(("le",) if name.endswith("_bucket") else ())} for name in family.series}
    for own in ProcessCollector(registry=None).collect():
        found[f"{own.name}_total" if own.type == "counter" else own.name] = set()
    registry = CollectorRegistry()
    for line in TgiMeter(ScriptedEngine(["a"]), registry).counters().decode().splitlines():
        if line.startswith("# TYPE"):
            found[line.split()[2]] = {"err"}
    for collector, names in registry._collector_to_names.items():  # noqa: SLF001  # nothing else tells the labels
        labels = set(getattr(collector, "_labelnames", ()))
        found |= {name: labels | ({"le"} if name.endswith("_bucket") else set()) for name in names}
    return {name: SCRAPED | labels for name, labels in found.items()}


def series(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every series in it, with the names of the labels it is selected by."""
    for name, matchers in selectors(expression):
        yield name, frozenset(_MATCHER.findall(_STRING.sub('""', matchers)))


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """Every series in it, with its matchers as they stand there."""
    bare = _VARIABLES.sub("", _GROUPING.sub("", _DURATION.sub("", _COMMENT.sub("", expression))))
    for name, matchers in _SELECTOR.findall(bare):
        if name not in _WORDS and not re.fullmatch(r"\d+[smhd]", name):
            yield name, matchers


def groupings(expression: str) -> set[str]:
    """Every label that it groups or joins by."""
    found = _GROUPING.findall(_COMMENT.sub("", expression))
    return {label.strip() for group in found for label in group.split(",") if label.strip()}


def wrong(expression: str, known: Mapping[str, frozenset[str]]) -> list[str]:
    """What it names that there is not, one line each."""
    named = list(series(expression))
    faults = [f"there is no metric {name}" for name, _ in named if name not in known]
    faults += [
        f"{name} has no label {label}" for name, labels in named for label in sorted(labels - known.get(name, labels))
    ]
    labels = frozenset[str]().union(*(known.get(name, frozenset()) for name, _ in named))
    return faults + [f"nothing in it has the label {label}" for label in sorted(groupings(expression) - labels)]
