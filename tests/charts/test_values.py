"""Every value does something; and whatever is set, the chart renders what Kubernetes takes or refuses it in its own words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charts.kinds import problems
from charts.rendering import APIS, CHART, PROFILES, run, text

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
WORKLOADS = ("retriever", "worker")
# The test matrix; first what uses the most.
BASES = sorted(CHART.glob("ci/*-values.yaml"), key=lambda path: (path.name != "everything-values.yaml", path.name))
GIVEN: dict[Path, dict[str, Any]] = {path: yaml.safe_load(path.read_text()) for path in BASES}
# Another kind of value than its default's.
OTHERWISE: dict[str, Any] = {
    "config": {"log": {"level": "debug"}},
    "imagePullSecrets": [{"name": "changed"}],
    "ingestion.schedules": [{"name": "changed", "schedule": "@daily", "places": ["https://a.example.com"]}],
    "existingSecrets.pools": {"far": {"name": "changed", "key": "changed"}},
}


def _leaves(node: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value with a meaning of its own: not what lies in maps of the user's."""
    for key, value in node.items():
        path = (*above, key)
        if isinstance(value, dict) and value and _shape(path).get("properties"):
            yield from _leaves(value, path)
        else:
            yield path, value


def _shape(path: tuple[str, ...]) -> dict[str, Any]:
    shape = SCHEMA
    for key in path:
        shape = shape.get("properties", {}).get(key, {})
    return shape if "$ref" not in shape else {}


# Open jobs are the workers' alone.
OWN = {
    ("worker", "autoscaling", *key)
    for key in [("trigger",), ("queuePerReplica",), ("idleSeconds",), ("connection", "name"), ("connection", "key")]
}
# Of the workloads one, as they share a template.
LEAVES = [(path, value) for path, value in _leaves(VALUES) if path[0] not in WORKLOADS or path in OWN]


def _changed(path: tuple[str, ...], value: Any) -> Any:
    if (given := OTHERWISE.get(".".join(path))) is not None:
        return given
    match value:
        case bool():
            return not value
        case int() | float():
            return value * 100 + 1
        case str():
            return next((each for each in _shape(path).get("enum", ()) if each != value), f"{value}changed")
        case dict():
            return (
                {"changed": {"changed": "1"}} if path[-1] in {"affinity", "strategy", "resources"} else {"changed": "1"}
            )
        case _:
            return [*value, {"changed": "1"}]


def _at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[".".join(path) for path, _ in LEAVES])
def test_a_value_changes_something(path: tuple[str, ...], value: Any) -> None:
    for file in sorted(BASES, key=lambda file: -_depth(path, GIVEN[file])):
        given: Any = GIVEN[file]
        for key in path:
            given = given.get(key) if isinstance(given, dict) else None
        done = run(_at(path, _changed(path, value if given is None else given)), file, unchecked=True)
        # A refusal has looked at it, too.
        if done.returncode != 0 or done.stdout != text(file):
            return
    pytest.fail("no case of ci/ renders anything else with another value")


def _depth(path: tuple[str, ...], given: Any) -> int:
    """How far values speak of a path: those that do are likelier to use it."""
    if not path or not isinstance(given, dict) or path[0] not in given:
        return 0
    return 1 + _depth(path[1:], given[path[0]])


def test_every_workload_has_the_same_values() -> None:
    keys = {path for path, _ in _leaves(VALUES["gateway"], ("gateway",))}
    for name in WORKLOADS:
        # Whether it is there is said once.
        assert {("gateway", *path[1:]) for path, _ in _leaves(VALUES[name], (name,)) if path not in OWN} == keys


def test_every_value_is_described_where_it_stands_and_where_it_is_checked() -> None:
    bare = [".".join(path) for path, _ in LEAVES if not _described(path)]
    assert bare == []


def _described(path: tuple[str, ...]) -> bool:
    shape = SCHEMA
    for key in path:
        shape = shape["properties"][key]
    return bool(shape.get("description"))


ANY: dict[type, list[Any]] = {
    bool: [False, True],
    int: [0, 1, 2, 7, 100, 1_000_000],
    float: [0, 0.5, 7.25, 1e6],
    str: ["", "a", "1", "true", "http://a.b", "hf://o/m", "x: y", "50%", "sha256:" + "0" * 64],
    dict: [{}, {"a.b/c": "d"}, {"e": "1"}],
}


@st.composite
def _any_values(draw: st.DrawFn) -> dict[str, Any]:
    """A few values of their types, whether they fit together or not."""
    made: dict[str, Any] = {}
    for path, value in draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=8)):
        node = made
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = draw(_any_value(path, value))
    return made


def _any_value(path: tuple[str, ...], value: Any) -> st.SearchStrategy[Any]:
    if (shape := _shape(path)).get("enum"):
        return st.sampled_from(shape["enum"])
    if given := OTHERWISE.get(".".join(path)):
        return st.just(given)
    # Lists, and what is Kubernetes' own down to the last key: only that they may be empty or as they are.
    if isinstance(value, list) or path[-1] in {"affinity", "strategy"}:
        return st.sampled_from([type(value)(), value])
    return st.sampled_from(ANY[type(value)])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    base=st.sampled_from([*BASES, *(CHART / profile for profile in PROFILES)]),
    values=_any_values(),
    apis=st.sampled_from([APIS, APIS, APIS, ()]),
)
def test_any_values_make_objects_that_are_accepted_or_a_refusal(
    base: Any, values: dict[str, Any], apis: tuple[str, ...]
) -> None:
    done = run(values, base, apis=apis)
    if done.returncode == 0:
        found = [one for one in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if one]
        assert [told for one in found for told in problems(one, "1.34")] == []
    else:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("Use --debug")]
        assert lines[0].startswith(("Error: values don't meet", "Error: execution error at (")), lines
        assert lines[0].startswith("Error: values don't meet") or len(lines) == 1, lines
