"""An ingestion as a Job, one pod per shard of the documents, or as a CronJob that makes such Jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.ingestion.labels import UNLABELLED, Labels
from tandem.platform.pod_of_release import COMPONENT_OF_JOBS, Workload, pod_template

# A pod that was evicted or killed is made again; what it had done is unchanged then, and costs a look.
_TRIES_PER_SHARD = 3
_KEPT_S = 86_400
_USAGE = 2


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What is ingested, and how wide. `parallel` pods run at a time; `schedule` is cron's, None for once."""

    places: Sequence[str]
    shards: int
    collection: str | None = None
    prune: bool = False
    parallel: int | None = None
    schedule: str | None = None
    labels: Labels = UNLABELLED

    def arguments(self) -> list[str]:
        """Of `tandem`, as a container's `args`: $(NAME) is Kubernetes's, so a $ of the user's is doubled."""
        chosen = ["--collection", self.collection] if self.collection else []
        flags = ["--prune"] if self.prune else []
        flags += [word for tag in self.labels.tags for word in ("--tag", tag.replace("$", "$$"))]
        flags += [word for group in self.labels.acl for word in ("--acl", group.replace("$", "$$"))]
        flags += ["--author", self.labels.author.replace("$", "$$")] if self.labels.author else []
        places = [place.replace("$", "$$") for place in self.places]
        shard = f"$(JOB_COMPLETION_INDEX)/{self.shards}"
        return ["ingest", "--config", "/etc/tandem/tandem.yaml", "--shard", shard, *chosen, *flags, "--", *places]


def manifest(
    workload: Workload, ingestion: Ingestion, name: str, *, image: str | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The object to apply. Raises `ConfigurationError` for values that are not known."""
    template = pod_template(workload, ingestion.arguments(), image=image, values=values)
    spec = {
        "completionMode": "Indexed",
        "completions": ingestion.shards,
        "parallelism": min(ingestion.parallel or ingestion.shards, ingestion.shards),
        "backoffLimitPerIndex": _TRIES_PER_SHARD,
        # One pod of a shard at a time: the next is made when the one before is gone for good.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [_USAGE]}},
            ]
        },
        "ttlSecondsAfterFinished": _KEPT_S,
        "template": template,
    }
    metadata = {
        "name": name,
        "namespace": workload.namespace,
        "labels": {**workload.labels, "app.kubernetes.io/component": COMPONENT_OF_JOBS},
    }
    if ingestion.schedule is None:
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": ingestion.schedule,
            # A round that takes longer than the time between two is not overtaken.
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": {"labels": metadata["labels"]}, "spec": spec},
        },
    }
