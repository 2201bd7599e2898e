"""Containers that end when they should run."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.last_words import hint, last_words
from tandem.platform.objects import Object, at, component_of, container_states, name_of

# Killed, told to end, and told to end and willing.
_KILLED = frozenset({137, 143, 0})


def crashes(facts: Facts) -> Iterator[Finding]:
    """Each container that has ended badly and does not run well since."""
    for pod in facts.of("Pod"):
        for state in container_states(pod):
            ended = _ended(state)
            if ended is not None:
                yield _finding(facts, pod, state, ended)


def _ended(state: Object) -> Object | None:
    """How it ended the last time; None while it is well."""
    now: Object = at(state, "state", "terminated", default={})
    if now and now.get("exitCode") != 0:
        return now
    last: Object = at(state, "lastState", "terminated", default={})
    # Whatever else it waits for, such as its image, is told elsewhere.
    tried_again = at(state, "state", "running") or at(state, "state", "waiting", "reason") == "CrashLoopBackOff"
    return last if last and tried_again and not state.get("ready") else None


def _finding(facts: Facts, pod: Object, state: Object, ended: Object) -> Finding:
    name, container, code = name_of(pod), str(state["name"]), int(ended.get("exitCode") or 0)
    log = facts.logs.get((name, container), "") or str(ended.get("message") or "")
    where = f"container {container} (restarts: {state.get('restartCount', 0)})"
    again = f"kubectl logs {name} -c {container} -n {facts.namespace} --previous"
    component = component_of(pod)
    if ended.get("reason") == "OOMKilled":
        problem = f"{where} was killed for want of memory (OOMKilled, exit code {code})"
        fix = f"raise {component or 'its'}.resources.limits.memory, or take a smaller model or fewer requests at a time"
        return Finding("out-of-memory", f"pod/{name}", problem, fix, component)
    if ended.get("reason") == "StartError" or code in {126, 127, 128}:
        problem = f"{where} could not be started: {' '.join(str(ended.get('message') or log).split())}"
        return Finding("start-error", f"pod/{name}", problem, "check image and args of this workload", component)
    if code in _KILLED and _probed(facts, pod):
        problem = f"{where} was killed since its {_probed(facts, pod)} probe failed; it said: {last_words(log)}"
        fix = f"it needs longer than the probe allows, or hangs: {again}"
        return Finding("probe-failed", f"pod/{name}", problem, fix, component)
    problem = f"{where} ended with exit code {code}; it said: {last_words(log)}"
    return Finding("crash", f"pod/{name}", problem, hint(log) or f"read on: {again}", component)


def _probed(facts: Facts, pod: Object) -> str:
    """The probe for which the kubelet killed it."""
    for event in reversed(facts.events("Pod", name_of(pod))):
        text = str(event.get("message", "")).lower()
        if event.get("reason") == "Killing" and "probe" in text:
            return "startup" if "startup" in text else "liveness"
    return ""
