"""Waiting for a deployed model: what happens, a line for each change, until it is ready or time is up."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from tandem.cli.console import err
from tandem.cli.models import gigabytes
from tandem.domain.errors import TandemError, UpstreamUnavailable

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster
    from tandem.platform.models.progress import Progress

_LOOK_S = 2.0
# What happens to a connection for a moment ends no deployment: it is looked at again for this long.
_PATIENCE_S = 60.0
# Longer without any change, and it is told that it stands still.
_STILL_S = 60.0
_AGAIN = "the same command waits again"


def wait(
    cluster: "Cluster", service: str, version: str, timeout_s: float, total: int | None, *, otherwise: str = _AGAIN
) -> None:
    """Raises `TandemError` when nothing comes of it, or not in time. Exit code 130 when it was left running."""
    ends_s = time.monotonic() + timeout_s
    changed_s, before = time.monotonic(), ""
    try:
        with _shown() as show:
            while True:
                found = _looked(cluster, service, version, otherwise)
                line = _line(found, total)
                changed, before = line != before, line
                if changed:
                    changed_s = time.monotonic()
                still_s = time.monotonic() - changed_s
                show(line + (f" (unchanged for {still_s:.0f} s)" if still_s > _STILL_S else ""), changed=changed)
                if found.stage == "ready":
                    return
                if found.over or time.monotonic() > ends_s:
                    raise _given_up(found, service, cluster.namespace, timeout_s, otherwise)
                time.sleep(_LOOK_S)  # noqa: TID251 - no event loop runs here
    except KeyboardInterrupt:
        err.print(
            f"\n{service} goes on by itself; {otherwise}, and to look: "
            f"kubectl --namespace {cluster.namespace} get inferenceservice {service}",
            markup=False,
        )
        raise typer.Exit(130) from None


def _given_up(found: "Progress", service: str, namespace: str, timeout_s: float, otherwise: str) -> TandemError:
    what = f"ended at {found.stage}" if found.over else f"is not ready after {timeout_s:.0f} s, it is at {found.stage}"
    return TandemError(
        f"{service} {what}: {found.said or 'nothing is told'}",
        hint=f"It stays as it is: tandem doctor --namespace {namespace} says more; {otherwise}.",
    )


def _looked(cluster: "Cluster", service: str, version: str, otherwise: str) -> "Progress":
    from tandem.platform.cluster import Refused
    from tandem.platform.models.progress import look

    given_up_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return look(cluster, service, version)
        except UpstreamUnavailable as error:
            if time.monotonic() > given_up_s:
                raise UpstreamUnavailable(
                    f"{error.message.rstrip('.')}; {service} is written, and goes on by itself.",
                    hint=f"Once the API server answers, {otherwise}.",
                ) from error
            time.sleep(_LOOK_S)  # noqa: TID251 - no event loop runs here
        except Refused as refused:
            raise TandemError(
                f"inferenceservice/{service} cannot be followed: {refused.message}",
                hint="It goes on, unless somebody deleted it.",
            ) from refused


def _line(found: "Progress", total: int | None) -> str:
    came = ""
    if found.done is not None:
        came = f" {gigabytes(found.done)}" + ("" if total is None else f" of {gigabytes(total)}")
    return f"{found.stage:10}{came}  {found.said}".rstrip()


@contextlib.contextmanager
def _shown() -> Iterator[Callable[..., None]]:
    """A line that is kept up to date on a terminal, else one for each change."""
    if not err.is_terminal:

        def tell(line: str, *, changed: bool) -> None:
            if changed:
                err.print(line, markup=False)

        yield tell
        return
    from rich.live import Live
    from rich.spinner import Spinner

    with Live(console=err, transient=True) as live:

        def keep(line: str, *, changed: bool) -> None:
            del changed
            shown: Any = Spinner("dots", line)
            live.update(shown)

        yield keep
