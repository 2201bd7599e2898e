"""Pods that run and get no traffic."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.last_words import last_words
from tandem.platform.objects import Object, at, component_of, container_states, instant, is_true, name_of

# Starting for so long is normal.
_PATIENCE_S = 30.0


def readiness(facts: Facts) -> Iterator[Finding]:
    """Which container, by which probe, and where in its life the process says that it is."""
    for pod in facts.of("Pod"):
        if at(pod, "status", "phase") != "Running" or is_true(pod, "Ready") or at(pod, "metadata", "deletionTimestamp"):
            continue
        for state in container_states(pod):
            if not state.get("ready") and at(state, "state", "running") and _runs_s(facts, state) >= _PATIENCE_S:
                yield _finding(facts, pod, state)


def _finding(facts: Facts, pod: Object, state: Object) -> Finding:
    name, container = name_of(pod), str(state["name"])
    stage = facts.seen[name].state if name in facts.seen else ""
    parts = [f"has run for {_runs_s(facts, state):.0f} s and is not ready"]
    if stage:
        parts.append(f"/readyz says {stage}")
    if probe := _probe(facts, pod):
        parts.append(probe)
    if log := facts.logs.get((name, container)):
        parts.append(f"it says: {last_words(log)}")
    fix = f"kubectl logs {name} -c {container} -n {facts.namespace}"
    return Finding(
        "not-ready", f"pod/{name}", "; ".join(parts), f"{_fix(component_of(pod), stage)}{fix}", component_of(pod)
    )


def _fix(component: str, stage: str) -> str:
    if stage == "draining":
        return "it is leaving, and another one takes over; if not: "
    if component == "predictor":
        return "loading a model takes minutes, predictor.startupSeconds bounds it; read on: "
    return "read on: "


def _probe(facts: Facts, pod: Object) -> str:
    events = [event for event in facts.events("Pod", name_of(pod)) if event.get("reason") == "Unhealthy"]
    return " ".join(str(events[-1].get("message", "")).split()) if events else ""


def _runs_s(facts: Facts, state: Object) -> float:
    started = instant(at(state, "state", "running", "startedAt"))
    return (facts.now - started).total_seconds() if started else 0.0
