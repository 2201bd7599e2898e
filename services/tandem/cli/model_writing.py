"""What every command that writes a model to a cluster is told, said once."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from tandem.cli.clusters import ContextOption, KubeconfigOption, NamespaceOption
from tandem.cli.console import Output, OutputOption

ReleaseOption = Annotated[str, typer.Option("--release", "-r", help="The Helm release whose predictor it is.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Let the API server check it and show the difference; nothing is stored.")
]
TakeOverOption = Annotated[
    bool, typer.Option("--take-over", help="Write fields that Helm or somebody else holds, too.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0, help="Seconds to wait until it is ready; 0: do not wait.")
]


@dataclass(frozen=True, slots=True)
class Writing:
    """Where it is written, how, and how that is told; each field is an option."""

    release: ReleaseOption = "tandem"
    dry_run: DryRunOption = False
    take_over: TakeOverOption = False
    timeout_s: TimeoutOption = 1800.0
    namespace: NamespaceOption = None
    context: ContextOption = None
    kubeconfig: KubeconfigOption = None
    output: OutputOption = Output.table

    @property
    def sure(self) -> bool:
        """Whether nobody has to be asked if it is the right cluster."""
        return self.dry_run or self.context is not None


def writing(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose last parameter `how` is a `Writing`, with the fields of it as options of its own."""
    own = list(inspect.signature(command).parameters.values())[:-1]
    shared = [
        inspect.Parameter(
            each.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=each.default, annotation=each.type
        )
        for each in fields(Writing)
    ]

    @functools.wraps(command)
    def told(**options: Any) -> None:
        how = Writing(**{each.name: options.pop(each.name) for each in shared})
        command(**options, how=how)

    told.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    told.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    return told
