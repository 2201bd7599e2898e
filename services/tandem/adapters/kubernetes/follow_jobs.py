"""A Job out of a CronJob of the chart, as `kubectl create job --from` makes one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tandem.adapters.kubernetes.api import ACCOUNT, SERVER, ApiServer, api_server
from tandem.domain.errors import ConfigurationError, UnknownModel, UpstreamFailed
from tandem.ports.follow_jobs import Begun

LABEL = "tandem.dev/follow"
_ENDED = frozenset({"Complete", "Failed"})
# Of a digest: a CronJob's name may be 52 characters long, a Job's 63.
_SIGNS = 10


class KubernetesFollowJobs:
    """`ports/follow_jobs.py`. `cronjobs` are those of the chart, by model; their Jobs carry the name in a label."""

    def __init__(self, api: ApiServer, namespace: str, cronjobs: Mapping[str, str]) -> None:
        self._api = api
        self._root = f"/apis/batch/v1/namespaces/{namespace}"
        self._cronjobs = cronjobs

    async def begin(self, model: str, delivery: str) -> Begun:
        """Two deliveries at the same moment may begin two: the command itself does nothing twice."""
        name = self._cronjobs.get(model)
        if name is None:
            known = ", ".join(sorted(self._cronjobs))
            raise UnknownModel(
                f"No model {model[:80]!r} is followed.", hint=f"Those are: {known} (follow.models).", param="name"
            )
        selector = quote(f"{LABEL}={name}", safe="")
        _, found = await self._api.call("GET", f"{self._root}/jobs?labelSelector={selector}")
        running = next((each for each in found.get("items") or () if not _ended(each)), None)
        if running is not None:
            return Begun(str(running["metadata"]["name"]), new=False)
        status, cronjob = await self._api.call("GET", f"{self._root}/cronjobs/{name}", passing=(404,))
        if status == 404:
            raise UpstreamFailed(f"There is no CronJob {name}.", hint="The chart makes it: helm upgrade.")
        job = _job(cronjob, f"{name}-{sha256(delivery.encode()).hexdigest()[:_SIGNS]}")
        status, _ = await self._api.call("POST", f"{self._root}/jobs", job, passing=(409,))
        return Begun(job["metadata"]["name"], new=status != 409)


def _job(cronjob: Mapping[str, Any], name: str) -> dict[str, Any]:
    """It goes with the CronJob, and counts in its history."""
    owner, template = cronjob["metadata"], cronjob["spec"]["jobTemplate"]
    told = template.get("metadata") or {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": told.get("labels") or {},
            "annotations": {**(told.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": owner["name"], "uid": owner["uid"],
                 "controller": True}
            ],
        },
        "spec": template["spec"],
    }  # fmt: skip


def _ended(job: Mapping[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each["type"] in _ENDED and each["status"] == "True" for each in conditions)


@asynccontextmanager
async def kubernetes_follow_jobs(
    cronjobs: Mapping[str, str], *, server: str = SERVER, account: Path = ACCOUNT
) -> AsyncIterator[KubernetesFollowJobs]:
    """In the namespace of this pod. Raises `ConfigurationError` without an account."""
    async with api_server(server, account) as api:
        try:
            namespace = (account / "namespace").read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"The namespace of this pod cannot be read: {error}.") from error
        yield KubernetesFollowJobs(api, namespace, cronjobs)
