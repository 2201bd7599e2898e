"""The Job of a batch: a manifest that the chart wrote, completed with what only the batch knows."""

from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from tandem.domain.errors import ConfigurationError

LABEL = "tandem.dev/batch"
LINES_PER_POD = "tandem.dev/lines-per-pod"
# In place of it the batch's id comes among the arguments.
PLACE = "BATCH_ID"
# Of a digest: a Job's name, of which its pods' are made, may be 60 characters long.
_SIGNS = 10


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """A whole `batch/v1` Job; `most` pods of `lines_per_pod` lines each."""

    name: str
    namespace: str
    lines_per_pod: int
    most: int
    manifest: dict[str, Any] = field(repr=False)

    def name_of(self, batch_id: str) -> str:
        """The same for everybody, whatever signs an id may have."""
        return f"{self.name}-{sha256(batch_id.encode()).hexdigest()[:_SIGNS]}"

    def filled(self, batch_id: str, lines: int) -> dict[str, Any]:
        """The Job to create."""
        job = deepcopy(self.manifest)
        spec = job["spec"]
        pods = min(max(1, -(-lines // self.lines_per_pod)), self.most)
        spec.update(completions=pods, parallelism=pods)
        for metadata in (job["metadata"], spec["template"].setdefault("metadata", {})):
            metadata["labels"] = {**(metadata.get("labels") or {}), LABEL: batch_id}
        job["metadata"]["name"] = self.name_of(batch_id)
        container = spec["template"]["spec"]["containers"][0]
        container["args"] = [batch_id if each == PLACE else each for each in container["args"]]
        return job


def read_template(file: Path) -> JobTemplate:
    """Raises `ConfigurationError` for a file that is not there, or no such Job."""
    try:
        manifest = yaml.safe_load(file.read_text(encoding="utf-8"))
        metadata, spec = manifest["metadata"], manifest["spec"]
        whole = (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
        placed = PLACE in spec["template"]["spec"]["containers"][0]["args"]
        template = JobTemplate(
            str(metadata["name"]),
            str(metadata["namespace"]),
            int(metadata["annotations"][LINES_PER_POD]),
            int(spec["completions"]),
            manifest,
        )
    except OSError as error:
        raise ConfigurationError(
            f"The Job for batches cannot be read: {error}.",
            hint="The chart mounts it with batch.enabled; without it set batches.run to here.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigurationError(f"{file} is no Job for batches: {type(error).__name__} {error}") from error
    if not (whole and placed and template.lines_per_pod > 0 and template.most > 0):
        raise ConfigurationError(
            f"{file} is no Job for batches.",
            hint=f"It is a batch/v1 Job with {PLACE} among its arguments, completions, and {LINES_PER_POD} among its annotations.",
        )
    return template
