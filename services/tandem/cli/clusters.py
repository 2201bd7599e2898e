"""Which cluster a command is for: its options, and the question whether it is the right one before anything is changed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster

ReleaseOption = Annotated[str, typer.Option("--release", "-r", help="The Helm release to look at.")]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Where it is.", show_default="the context's namespace")
]
ContextOption = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig.", show_default="the current one")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Kubeconfig file.", show_default="KUBECONFIG, ~/.kube/config")
]


@contextmanager
def cluster_of(
    command: str, kubeconfig: Path | None, context: str | None, namespace: str | None
) -> Iterator["Cluster"]:
    """Opened for a command. Raises `ConfigurationError` without the client that it takes, and without a cluster."""
    try:
        from tandem.platform.cluster import opened
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{command} needs the Kubernetes client.", hint="pip install 'tandem-rag[platform]'"
        ) from error
    with opened(kubeconfig, context, namespace) as cluster:
        yield cluster


def confirm(cluster: "Cluster", what: str, *, sure: bool) -> None:
    """Have the context's name typed, unless it was named already. Raises `ConfigurationError` when it is not the one."""
    where = f"in context {cluster.context or 'of this pod'} ({cluster.address}), namespace {cluster.namespace}"
    if sure or not cluster.context:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"This would {what} {where}, and nobody is there to ask whether that is the right cluster.",
            hint=f"Name it: --context {cluster.context}.",
        )
    if typer.prompt(f"This will {what} {where}. Type the context's name to go on", err=True) != cluster.context:
        raise ConfigurationError(
            "That is another name: nothing was done.",
            hint="kubectl config get-contexts lists them; choose with --context.",
        )
