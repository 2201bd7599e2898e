"""`tandem status`."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption, cluster_of
from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.options import DEFAULT_URL, ApiKeyOption, ConfigOption, DataDirOption
from tandem.domain.errors import ConfigurationError, TandemError

if TYPE_CHECKING:
    from tandem.platform.vitals.sources import Source
    from tandem.platform.vitals.vitals import Vitals


def status(
    url: Annotated[
        str | None,
        typer.Option(
            "--url", envvar="TANDEM_URL", help="One running process.", show_default="the one that serves the data_dir"
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release", "-r", help="All pods of a Helm release, through the Kubernetes API.", show_default=False
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until interrupted.")] = False,
    interval_s: Annotated[
        float,
        typer.Option("--interval", min=0.2, max=3600, help="Seconds between two looks; rates are taken over them."),
    ] = 2.0,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    api_key: ApiKeyOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Show how running processes are doing: rates, time to first token, queues, pools, tenants, quality, releases, the spool.

    Everything is read from their /metrics; with `-o json` each look is one line.
    """
    if release is None and (namespace or context or kubeconfig):
        raise ConfigurationError("--namespace, --context and --kubeconfig need a release.", hint="Pass --release NAME.")
    if release is not None and url is not None:
        raise ConfigurationError("Either --url or --release.", hint="--release looks at all of its pods.")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if release is not None:
                source = stack.enter_context(_pods(release, kubeconfig, context, namespace))
            else:
                found = url or _served(config, data_dir)
                source = await stack.enter_async_context(_process(found, api_key))
            await (_watched(source, interval_s, output) if watch else _once(source, interval_s, output))

    run(work())


def _served(config: Path | None, data_dir: Path | None) -> str:
    from tandem.app.serving import running_on
    from tandem.app.settings import load_settings

    return running_on(load_settings(config).data_dir if data_dir is None else data_dir) or DEFAULT_URL


@asynccontextmanager
async def _process(url: str, api_key: str | None) -> AsyncIterator["Source"]:
    from tandem.platform.vitals.sources import one_process

    async with one_process(url, api_key, time.monotonic) as source:
        yield source


@contextmanager
def _pods(release: str, kubeconfig: Path | None, context: str | None, namespace: str | None) -> Iterator["Source"]:
    with cluster_of("tandem status --release", kubeconfig, context, namespace) as cluster:
        from tandem.platform.vitals.sources import Release

        yield Release(cluster, release, time.monotonic)


async def _once(source: "Source", interval_s: float, output: Output) -> None:
    from tandem.cli.status_shown import shown
    from tandem.platform.vitals.vitals import vitals

    before = await source.look()
    await asyncio.sleep(interval_s)
    found = vitals(source.place, before, await source.look())
    if output is Output.json:
        print_json(asdict(found))
    else:
        out.print(shown(found))


async def _watched(source: "Source", interval_s: float, output: Output) -> None:
    """On a terminal the screen is kept up to date, elsewhere each look is printed. A place that is away is waited for."""
    from rich.live import Live
    from rich.text import Text

    from tandem.cli.status_shown import shown

    if output is Output.json or not sys.stdout.isatty():
        async for found in _looks(source, interval_s):
            if isinstance(found, TandemError):
                err.print(f"{source.place}: {found.message}", markup=False)
            elif output is Output.json:
                print_json(asdict(found))
                sys.stdout.flush()
            else:
                out.print(shown(found))
        return
    with Live(Text(f"{source.place}: looking…"), console=out, screen=True, auto_refresh=False) as live:
        async for found in _looks(source, interval_s):
            told = Text(f"{source.place}: {found.message}") if isinstance(found, TandemError) else shown(found)
            live.update(told, refresh=True)


async def _looks(source: "Source", interval_s: float) -> AsyncIterator["Vitals | TandemError"]:
    from tandem.platform.vitals.vitals import vitals

    before = None
    while True:
        try:
            now = await source.look()
        except ConfigurationError:
            raise
        except TandemError as error:
            before = None
            yield error
        else:
            if before is not None:
                yield vitals(source.place, before, now)
            before = now
        await asyncio.sleep(interval_s)
