"""Whether the release is there, and Helm brought it to an end."""

from collections.abc import Iterator

from tandem.platform.facts import Facts
from tandem.platform.findings import Finding, Severity


def release(facts: Facts) -> Iterator[Finding]:
    """A release that is missing, that failed, or that Helm left half-way."""
    name, space = facts.release, facts.namespace
    if facts.planned:
        if facts.known("Namespace") and not facts.of("Namespace"):
            yield Finding(
                "namespace-missing",
                f"namespace/{space}",
                f"there is no namespace {space!r} yet",
                f"kubectl create namespace {space}, and the Secrets in it; or name another with --namespace",
                severity=Severity.note,
            )
        return
    if not facts.present():
        yield Finding(
            "release-missing",
            f"release/{name}",
            f"there is no release {name!r} in namespace {space!r}",
            f"install it (helm upgrade --install {name} … -n {space}), or name it with --release and --namespace",
        )
        return
    if facts.installed is None or facts.installed.status in {"deployed", "superseded"}:
        return
    status, revision = facts.installed.status, facts.installed.revision
    if status.startswith("pending"):
        fix = (
            f"if no helm command is running, go back with: helm rollback {name} -n {space}"
            if revision > 1
            else f"if no helm command is running, start over: helm uninstall {name} -n {space}"
        )
        yield Finding("release-pending", f"release/{name}", f"Helm left revision {revision} in {status}", fix)
    elif status == "failed":
        said = facts.installed.description
        fix = f"mend what is named here, then run the same helm upgrade --install {name} again"
        yield Finding("release-failed", f"release/{name}", f"revision {revision} failed: {said}", fix)
