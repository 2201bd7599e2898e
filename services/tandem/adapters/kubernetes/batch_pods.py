"""An Indexed Job for each batch."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tandem.adapters.kubernetes.api import ACCOUNT, SERVER, ApiServer, api_server
from tandem.adapters.kubernetes.batch_job import LABEL, JobTemplate, read_template
from tandem.domain.errors import UpstreamFailed, UpstreamUnavailable

TEMPLATE = Path("/etc/tandem/batch-job.yaml")
_ENDED = frozenset({"Complete", "Failed"})
# One that ended is deleted in between; others may do the same at the same time.
_TRIES = 3


class KubernetesBatchPods:
    """`ports/batch_pods.py`. The Job's name follows from the batch's id, so that of several who start it one does."""

    def __init__(self, api: ApiServer, template: JobTemplate) -> None:
        self._api = api
        self._template = template
        self._path = f"/apis/batch/v1/namespaces/{template.namespace}/jobs"

    async def start(self, batch_id: str, lines: int) -> None:
        """Creates rather than applies: the size of a Job can't be changed, and fewer rights will do."""
        wanted = self._template.filled(batch_id, lines)
        for _ in range(_TRIES):
            status, _ = await self._api.call("POST", self._path, wanted, passing=(409,))
            if status != 409:
                return
            found = await self._found(batch_id)
            if found is None:
                continue
            if not _ended(found):
                return
            await self._delete(batch_id, found)
        raise UpstreamUnavailable(f"The Job {self._template.name_of(batch_id)} ended, and has not gone yet.")

    async def stop(self, batch_id: str) -> None:
        """Its pods are told to end, and go one after the other."""
        found = await self._found(batch_id)
        if found is not None:
            await self._delete(batch_id, found)

    async def alive(self, batch_id: str) -> bool:
        """By the Job's own conditions."""
        found = await self._found(batch_id)
        return found is not None and not _ended(found)

    async def _found(self, batch_id: str) -> dict[str, Any] | None:
        status, found = await self._api.call("GET", self._at(batch_id), passing=(404,))
        if status == 404:
            return None
        if (owner := _metadata(found).get("labels", {}).get(LABEL)) != batch_id:
            raise UpstreamFailed(f"The Job {self._template.name_of(batch_id)} is there, but of the batch {owner}.")
        return found

    async def _delete(self, batch_id: str, found: Mapping[str, Any]) -> None:
        """This very one: what somebody made in its place stays."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            # Else its pods would stay.
            "propagationPolicy": "Background",
            "preconditions": {"uid": _metadata(found)["uid"]},
        }
        await self._api.call("DELETE", self._at(batch_id), options, passing=(404, 409))

    def _at(self, batch_id: str) -> str:
        return f"{self._path}/{self._template.name_of(batch_id)}"


def _metadata(job: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = job.get("metadata") or {}
    return found


def _ended(job: Mapping[str, Any]) -> bool:
    if _metadata(job).get("deletionTimestamp"):
        return True
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each["type"] in _ENDED and each["status"] == "True" for each in conditions)


@asynccontextmanager
async def kubernetes_batch_pods(
    template: Path = TEMPLATE, *, server: str = SERVER, account: Path = ACCOUNT
) -> AsyncIterator[KubernetesBatchPods]:
    """In the cluster around this pod. Raises `ConfigurationError` without a template, or an account."""
    job = read_template(template)
    async with api_server(server, account) as api:
        yield KubernetesBatchPods(api, job)
