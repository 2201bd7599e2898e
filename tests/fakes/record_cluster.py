"""Writes down what a real API server answers to `tandem doctor`: `python tests/fakes/record_cluster.py RELEASE NAMESPACE FILE`."""

import base64
import gzip
import json
import re
import sys
import time
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from fakes.kubernetes_api import Recording, Reply
from tandem.platform.cluster import Answer, Cluster, Refused, opened
from tandem.platform.doctor import Look, diagnose

# Large, and nothing to a diagnosis.
_LEFT_OUT = frozenset(
    "managedFields images last-applied-configuration nodeInfo uid selfLink daemonEndpoints resourceVersion generateName "
    "topologySpreadConstraints livenessProbe readinessProbe startupProbe securityContext volumeMounts hostIPs podIPs source "
    "reportingComponent reportingInstance terminationMessagePath terminationMessagePolicy ports strategy updateStrategy".split()
)


class RecordingCluster(Cluster):
    """Keeps every answer, and of the namespace's events those about the release."""

    release = ""

    def keep(self) -> dict[str, Reply]:
        if not hasattr(self, "kept"):
            self.kept: dict[str, Reply] = {}
        return self.kept

    def _get(self, path: str, query: Any, accept: str) -> Answer:
        asked = path + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")
        try:
            answer = super()._get(path, query, accept)
        except Refused as refused:
            self.keep()[asked] = Reply(refused.status, {"kind": "Status", "message": refused.message})
            raise
        self.keep()[asked] = Reply(answer.status, _slim(_own(path, _parsed(answer.body), self.release)))
        return answer


def _own(path: str, found: Any, release: str) -> Any:
    """Of events the latest about each object and reason."""
    if not path.endswith("/events"):
        return found
    about = [each for each in found["items"] if release in each["involvedObject"]["name"]]
    latest = {(each["involvedObject"]["name"], each["reason"]): each for each in about}
    return {**found, "items": list(latest.values())}


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _slim(found: Any) -> Any:
    if isinstance(found, list):
        return [_slim(each) for each in found]
    if not isinstance(found, dict):
        return found
    kept = {key: _slim(value) for key, value in found.items() if key.rpartition("/")[2] not in _LEFT_OUT}
    if isinstance(kept.get("release"), str) and len(kept) == 1:
        kept["release"] = _slim_release(kept["release"])
    return kept


def _slim_release(packed: str) -> str:
    """Helm's record with what is read of it."""
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(packed))))
    kinds = re.findall(r"^(?:apiVersion|kind): .*$|^---", record["manifest"], flags=re.MULTILINE)
    metadata = {key: record["chart"]["metadata"][key] for key in ("name", "version")}
    info = {key: record["info"].get(key) for key in ("status", "description")}
    slim = {"info": info, "version": record["version"], "chart": {"metadata": metadata}, "manifest": "\n".join(kinds)}
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(slim).encode(), mtime=0))).decode()


def main(release: str, namespace: str, file: str) -> None:
    """Prints what the doctor says, and writes down why."""
    with opened(None, None, namespace) as cluster:
        cluster.__class__ = RecordingCluster
        assert isinstance(cluster, RecordingCluster)
        cluster.release = release
        now = cluster.server().now
        for finding in diagnose(cluster, release, Look(time.time)):
            print(finding)
        Recording(format_datetime(now, usegmt=True), cluster.keep()).write(Path(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
