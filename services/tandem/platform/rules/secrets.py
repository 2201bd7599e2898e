"""Secrets that pods refer to and that are not there, or lack a key."""

import re
from collections.abc import Iterator

from tandem.platform.facts import Facts, Presence
from tandem.platform.findings import Finding
from tandem.platform.objects import Object, at, component_of, container_states, name_of
from tandem.platform.references import Wanted, secrets_wanted

# The kubelet's words, for an environment variable and for a volume.
_KEY = re.compile(r"couldn't find key (?P<key>\S+) in Secret (?:\S+/)?(?P<secret>[^\s/]+)")
_VOLUME_KEY = re.compile(r"references non-existent secret key: (?P<key>\S+)")


def secrets(facts: Facts) -> Iterator[Finding]:
    """By their names in the pods, and by what the kubelet says of keys: their values are never read."""
    for name, wanted in secrets_wanted(facts).items():
        if facts.secrets.get(name) is Presence.missing:
            yield from _missing(facts, name, wanted)
    for pod in facts.of("Pod"):
        yield from _keys(facts, pod)


def _missing(facts: Facts, name: str, wanted: Wanted) -> Iterator[Finding]:
    keys = " ".join(f"--from-literal={key}=…" for key in sorted(wanted.keys)) or "--from-literal=KEY=…"
    for component in sorted(wanted.components):
        yield Finding(
            "secret-missing",
            f"secret/{name}",
            f"there is no Secret {name!r} in namespace {facts.namespace!r}, and pods of this release need it",
            f"kubectl create secret generic {name} -n {facts.namespace} {keys}, or name another in the values",
            component,
        )


def _keys(facts: Facts, pod: Object) -> Iterator[Finding]:
    said = [at(state, "state", "waiting", "message", default="") for state in container_states(pod)]
    said += [str(event.get("message", "")) for event in facts.events("Pod", name_of(pod)) if _waits(pod)]
    found = {(match["secret"].strip("\"'"), match["key"]) for text in said if (match := _KEY.search(text))}
    found |= {(_holder(pod, match["key"]), match["key"]) for text in said if (match := _VOLUME_KEY.search(text))}
    for secret, key in sorted(found):
        yield Finding(
            "secret-key-missing",
            f"secret/{secret}" if secret else f"pod/{name_of(pod)}",
            f"the Secret {secret!r} has no key {key!r}, which pods of this release need",
            f"add the key to the Secret (kubectl edit secret {secret} -n {facts.namespace}), or name another key in the values",
            component_of(pod),
        )


def _waits(pod: Object) -> bool:
    return str(at(pod, "status", "phase")) == "Pending"


def _holder(pod: Object, key: str) -> str:
    """The Secret whose volume wants that key."""
    for volume in at(pod, "spec", "volumes", default=()):
        if any(item.get("key") == key for item in at(volume, "secret", "items", default=())):
            return str(at(volume, "secret", "secretName", default=""))
        for source in at(volume, "projected", "sources", default=()):
            if any(item.get("key") == key for item in at(source, "secret", "items", default=())):
                return str(at(source, "secret", "name", default=""))
    return ""
