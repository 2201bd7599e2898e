"""`tandem debug`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, ReleaseOption, cluster_of
from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster
    from tandem.platform.places import Place
    from tandem.platform.tunnels import Tunnel, Tunnels

_MOST_PORT = 65535


def debug(
    release: ReleaseOption = "tandem",
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port",
            metavar="NAME=PORT",
            help="Local port of one of gateway, retriever, predictor, qdrant, metrics. May be given again.",
            show_default="the usual ones, or free ones",
        ),
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Open local ports to gateway, predictor, Qdrant and Prometheus of a release, all at once, until Ctrl-C.

    Each connection is led to a pod that is ready then, so that a pod that goes away is no end. With `-o json` the first line has
    all of them, and each further one what has changed.
    """
    wished = _ports(port or ())
    with cluster_of("tandem debug", kubeconfig, context, namespace) as cluster:
        from tandem.platform.places import places

        found = places(cluster, release)
        if unknown := sorted(wished.keys() - {place.name for place in found}):
            raise ConfigurationError(
                f"This release has no {' and no '.join(unknown)} to forward to.",
                hint=f"There are {', '.join(place.name for place in found)}.",
            )
        run(_forward(cluster, release, found, wished, output))


def _ports(given: Sequence[str]) -> dict[str, int]:
    wished = {}
    for each in given:
        name, _, number = each.partition("=")
        if not number.isdigit() or not 0 < int(number) <= _MOST_PORT:
            raise typer.BadParameter(f"{each!r}: write NAME=PORT, such as gateway=9000.", param_hint="--port")
        wished[name] = int(number)
    return wished


async def _forward(
    cluster: "Cluster", release: str, found: "list[Place]", wished: dict[str, int], output: Output
) -> None:
    from tandem.platform.tunnels import tunnels

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with tunnels(cluster, found, wished) as made:
        opened = [*made.all, *_metrics(made)]
        if output is Output.json:
            print_json(
                {
                    "release": release,
                    "namespace": cluster.namespace,
                    "context": cluster.context,
                    "forwards": [asdict(each) for each in opened],
                }
            )
        else:
            for each in opened:
                out.print(_line(each), markup=False)
            err.print("Ctrl-C ends all of them.")
        sys.stdout.flush()
        following = asyncio.create_task(_follow(made, output))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (following, stopping):
            task.cancel()
        await asyncio.gather(following, stopping, return_exceptions=True)
        if not following.cancelled():
            # It never ends by itself: whatever ended it is told.
            following.result()


def _metrics(made: "Tunnels") -> "list[Tunnel]":
    """Without a Prometheus the gateway's own are the nearest."""
    names = {each.name: each for each in made.all}
    if "metrics" in names or "gateway" not in names:
        return []
    return [replace(names["gateway"], name="metrics", url=f"{names['gateway'].url}/metrics")]


async def _follow(made: "Tunnels", output: Output) -> None:
    from tandem.platform.tunnels import changes

    async for each in changes(made):
        if output is Output.json:
            print_json(asdict(each))
            sys.stdout.flush()
        else:
            err.print(_line(each), markup=False)


def _line(each: "Tunnel") -> str:
    where = f"pod/{each.pod} in {each.namespace}" if each.pod else f"waits: {each.fault}"
    return f"{each.name:10}{each.url:32}{where}"
