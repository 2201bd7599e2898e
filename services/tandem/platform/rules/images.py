"""Images that cannot be pulled."""

import re
from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding
from tandem.platform.objects import Object, at, component_of, container_states, containers, name_of

_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_FIXES = (
    (
        ("toomanyrequests", "too many requests", "rate limit", "429"),
        "the registry limits pulls: name a Secret with an account in imagePullSecrets, or use a mirror",
    ),
    (
        ("unauthorized", "authentication required", "denied", "forbidden", "401", "403"),
        "check the image's name, and name a Secret with the registry's credentials in imagePullSecrets",
    ),
    (
        ("not found", "manifest unknown", "does not exist", "404"),
        "check repository, tag and digest of the image, for this architecture too",
    ),
    (
        ("no such host", "i/o timeout", "connection refused", "unreachable", "no route to host", "dial tcp"),
        "the node cannot reach the registry: mirror the image and set its repository, or open the way",
    ),
)
_KINDS = {
    "InvalidImageName": "write the image's repository, tag and digest so that they make a valid reference",
    "ErrImageNeverPull": "load the image onto the node, or set image.pullPolicy to IfNotPresent",
}
# What the kubelet and containerd put before the reason.
_WRAPPED = re.compile(
    r'(?:failed to (?:pull image|pull and unpack image|resolve reference|do request) ?(?:"[^"]*")?: )+', re.IGNORECASE
)
_ELSE = "check repository, tag and digest, imagePullSecrets, and the node's way to the registry"


def images(facts: Facts) -> Iterator[Finding]:
    """With the registry's own reason, which the kubelet tells only in the first message or in events."""
    for pod in facts.of("Pod"):
        for state in container_states(pod):
            waiting = at(state, "state", "waiting", default={})
            if waiting.get("reason") in _REASONS:
                yield _finding(facts, pod, state, waiting)


def _finding(facts: Facts, pod: Object, state: Object, waiting: Object) -> Finding:
    image = _image(pod, str(state.get("name")))
    reason = _reason(facts, pod, image, waiting)
    return Finding(
        "image-pull",
        f"pod/{name_of(pod)}",
        f"the image {image} cannot be pulled: {reason}",
        _fix(reason, str(waiting.get("reason"))),
        component_of(pod),
    )


def _image(pod: Object, container: str) -> str:
    """As it was asked for; the status tells a digest once it ran."""
    asked = [each for each in containers(at(pod, "spec", default={})) if each.get("name") == container]
    return str(asked[0].get("image", "")) if asked else ""


def _reason(facts: Facts, pod: Object, image: str, waiting: Object) -> str:
    said = [
        str(event.get("message", ""))
        for event in facts.events("Pod", name_of(pod))
        if event.get("reason") in {"Failed", "InspectFailed"} and image in str(event.get("message", ""))
    ]
    text = said[-1] if said else str(waiting.get("message") or waiting.get("reason"))
    return " ".join(_WRAPPED.sub("", text.rpartition("desc = ")[2]).split()).replace(f'"{image}"', "it")


def _fix(reason: str, kind: str) -> str:
    low = reason.lower()
    return _KINDS.get(kind) or next((fix for signs, fix in _FIXES if any(sign in low for sign in signs)), _ELSE)
