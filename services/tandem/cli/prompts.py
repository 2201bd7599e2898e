"""`tandem prompts list|show|diff`."""

import difflib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.console import Output, OutputOption, out, print_json, print_table
from tandem.cli.options import ConfigOption

if TYPE_CHECKING:
    from tandem.app.templates import Template

app = typer.Typer(help="See and compare the prompt templates, shipped and your own.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A template, such as answer@1.")]
PromptsDirOption = Annotated[
    Path | None,
    typer.Option("--prompts-dir", help="Your own templates.", show_default="prompts_dir of the configuration"),
]
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@app.command("list")
def list_prompts(
    prompts_dir: PromptsDirOption = None, config: ConfigOption = None, output: OutputOption = Output.table
) -> None:
    """List the templates, what each is for, and which of them the configuration uses. One that cannot be parsed is named."""
    found = _templates(config, prompts_dir)
    if output is Output.json:
        print_json({"data": [asdict(each) for each in found]})
        return
    print_table(
        ("prompt", "for", "from", "used by"),
        [(each.name, each.purpose, each.source, ", ".join(each.used_by)) for each in found],
    )


@app.command()
def show(
    name: NameArgument,
    prompts_dir: PromptsDirOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Print a template's text as it is on the disk; -o json says also where it comes from and who uses it."""
    found = _named(_templates(config, prompts_dir), name)
    if output is Output.json:
        print_json(asdict(found))
    else:
        sys.stdout.write(found.text if found.text.endswith("\n") else f"{found.text}\n")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A template, such as answer@1.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another one, such as answer@2.")],
    strict: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when they differ.")] = False,
    prompts_dir: PromptsDirOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Compare two templates by lines."""
    found = _templates(config, prompts_dir)
    old, new = _named(found, before), _named(found, after)
    lines = list(difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), old.name, new.name, lineterm=""))
    if output is Output.json:
        print_json({"before": old.name, "after": new.name, "same": not lines, "diff": "\n".join(lines)})
    else:
        for line in lines or [f"{old.name} and {new.name} are the same."]:
            out.print(line, style=_STYLES.get(line[:1], ""), markup=False, soft_wrap=True)
    if strict and lines:
        raise typer.Exit(1)


def _templates(config: Path | None, prompts_dir: Path | None) -> "tuple[Template, ...]":
    from tandem.app.settings import load_settings
    from tandem.app.templates import templates

    return templates(load_settings(config, **({} if prompts_dir is None else {"prompts_dir": prompts_dir})))


def _named(found: "tuple[Template, ...]", name: str) -> "Template":
    from tandem.domain.errors import UnknownPrompt

    for each in found:
        if each.name == name:
            return each
    raise UnknownPrompt(
        f"There is no prompt {name[:80]!r}.", hint=f"Known: {', '.join(each.name for each in found)}.", param="prompt"
    )
