"""`tandem ingest --on kubernetes`: the same ingestion as a Job with a pod per shard, followed from here."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tandem.app.clock import SystemClock
from tandem.cli.console import Output, err, out, print_json
from tandem.domain.errors import ConfigurationError, TandemError, UpstreamUnavailable
from tandem.ingestion.labels import Labels, checked

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster
    from tandem.platform.ingest_job import Ingestion
    from tandem.platform.job_progress import JobState, ShardState

_LOOK_S = 2.0
# What happens to a connection for a moment ends no Job: it is looked at again for this long.
_PATIENCE_S = 60.0
_COLOURS = {"done": "green", "failed": "red", "running": "cyan", "waiting": "dim"}


@dataclass(frozen=True, slots=True)
class Where:
    """The release in whose place it runs, and what is other than there."""

    release: str
    namespace: str | None
    context: str | None
    kubeconfig: Path | None
    image: str | None
    values: Path | None


def ingestion_of(
    places: Sequence[str],
    shards: int,
    collection: str | None,
    *,
    prune: bool,
    parallel: int | None,
    schedule: str | None,
    labels: Labels,
) -> "Ingestion":
    """What the flags say. Raises `ConfigurationError` for a schedule that is none."""
    from tandem.adapters.sources.place import is_followed
    from tandem.platform.ingest_job import Ingestion

    if topics := [place for place in places if is_followed(place)]:
        raise ConfigurationError(
            f"{topics[0]} has no end, as a Job needs one.", hint="A worker follows it: list it in ingestion.sources."
        )
    if schedule is not None and len(schedule.split()) != 5 and not schedule.startswith("@"):
        raise ConfigurationError(
            f"{schedule!r} is no schedule.", hint='Five fields, as cron has them: "15 3 * * *" is 3:15 every night.'
        )
    return Ingestion(tuple(places), shards, collection, prune, parallel, schedule, checked(labels))


def ingest_on_kubernetes(ingestion: "Ingestion", where: Where, *, dry_run: bool, output: Output) -> None:
    """Apply the Job and follow it, or apply the CronJob. Exit code 1 when a shard failed, 130 when it was left running."""
    try:
        from tandem.platform.cluster import opened
        from tandem.platform.ingest_job import manifest
        from tandem.platform.pod_of_release import workload_of
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "tandem ingest --on kubernetes needs the Kubernetes client.", hint="pip install 'tandem-rag[platform]'"
        ) from error

    values = _values(where.values)
    with opened(where.kubeconfig, where.context, where.namespace) as cluster:
        workload = workload_of(cluster, where.release)
        name = _name(workload.prefix, ingestion)
        wanted = manifest(workload, ingestion, name, image=where.image, values=values)
        if dry_run:
            _print(wanted)
            return
        _apply(cluster, wanted)
        if ingestion.schedule is not None:
            out.print(f"cronjob/{name} in {cluster.namespace}: {ingestion.schedule}", markup=False)
            return
        err.print(f"job/{name} in {cluster.namespace}: {ingestion.shards} shards", markup=False)
        state = _followed(cluster, name)
    if output is Output.json:
        print_json({"job": name, "namespace": workload.namespace, "succeeded": state.over, "shards": _rows(state)})
    else:
        done = sum(shard.state == "done" for shard in state.shards)
        out.print(f"{done} of {len(state.shards)} shards done" + (f": {state.why}" if state.why else ""), markup=False)
    raise typer.Exit(0 if state.over else 1)


def _values(file: Path | None) -> dict[str, Any]:
    import yaml

    if file is None:
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The values {file} cannot be read: {' '.join(str(error).split())}") from error
    if found is not None and not isinstance(found, dict):
        raise ConfigurationError(f"The values {file} are no mapping.")
    return found or {}


def _name(prefix: str, ingestion: "Ingestion") -> str:
    """A Job is there once; a schedule for the same places is the same one, changed."""
    if ingestion.schedule is None:
        return f"{prefix}-ingest-{datetime.fromtimestamp(SystemClock().epoch_s(), UTC):%Y%m%d-%H%M%S}"
    what = "\x00".join((ingestion.collection or "", *ingestion.places))
    # 52 characters at most: the Jobs' names get a number behind it.
    return f"{prefix[:35]}-ingest-{sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _print(wanted: dict[str, Any]) -> None:
    import yaml

    out.print(yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True), markup=False, end="")


def _apply(cluster: "Cluster", wanted: dict[str, Any]) -> None:
    from tandem.platform.cluster import Refused

    plural, name = f"{wanted['kind'].lower()}s", wanted["metadata"]["name"]
    try:
        cluster.apply(f"/apis/batch/v1/namespaces/{cluster.namespace}/{plural}/{name}", wanted)
    except Refused as refused:
        hint = "docs/ingestion-at-scale.md lists the rights that this needs." if refused.status == 403 else None
        raise ConfigurationError(f"The {wanted['kind']} was refused: {refused.message}", hint=hint) from refused


def _followed(cluster: "Cluster", name: str) -> "JobState":
    try:
        with _shown() as show:
            while True:
                state = _looked(cluster, name)
                show(state)
                if state.over is not None:
                    return state
                time.sleep(_LOOK_S)  # noqa: TID251 - no event loop runs here
    except KeyboardInterrupt:
        err.print(
            f"\njob/{name} goes on. To look: kubectl --namespace {cluster.namespace} get job {name}; "
            f"kubectl --namespace {cluster.namespace} logs --prefix --selector batch.kubernetes.io/job-name={name}",
            markup=False,
        )
        raise typer.Exit(130) from None


def _looked(cluster: "Cluster", name: str) -> "JobState":
    from tandem.platform.cluster import Refused
    from tandem.platform.job_progress import look

    given_up_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return look(cluster, name)
        except UpstreamUnavailable:
            if time.monotonic() > given_up_s:
                raise
            time.sleep(_LOOK_S)  # noqa: TID251 - no event loop runs here
        except Refused as refused:
            raise TandemError(
                f"job/{name} cannot be followed: {refused.message}",
                hint="It goes on, unless somebody deleted it.",
            ) from refused


@contextlib.contextmanager
def _shown() -> Iterator[Callable[["JobState"], None]]:
    """A table that is kept up to date on a terminal, else a line for each change of a shard's state."""
    if not err.is_terminal:
        yield _Lines()
        return
    from rich.live import Live

    with Live(console=err, transient=True, auto_refresh=False) as live:
        yield _Table(live)


class _Lines:
    def __init__(self) -> None:
        self._told: dict[int, tuple[str, int]] = {}

    def __call__(self, state: "JobState") -> None:
        for shard in state.shards:
            if self._told.get(shard.index) != (shard.state, shard.tries):
                self._told[shard.index] = (shard.state, shard.tries)
                err.print(_line(shard), markup=False)


class _Table:
    def __init__(self, live: Any) -> None:
        self._live = live

    def __call__(self, state: "JobState") -> None:
        from rich.text import Text

        lines = [Text(_line(shard), style=_COLOURS[shard.state], overflow="ellipsis") for shard in state.shards]
        self._live.update(Text("\n").join(lines), refresh=True)


def _line(shard: "ShardState") -> str:
    tries = f" (try {shard.tries})" if shard.tries > 1 else ""
    return f"shard {shard.index}  {shard.state}{tries}  {shard.said}".rstrip()


def _rows(state: "JobState") -> list[dict[str, Any]]:
    return [{"index": shard.index, "state": shard.state, "said": shard.said} for shard in state.shards]
