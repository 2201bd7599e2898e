"""`tandem privacy export|delete`."""

from typing import Annotated, Any

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, print_table, run
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption

app = typer.Typer(help="Hand out or delete what is kept of one user.", no_args_is_help=True)
UserOption = Annotated[str, typer.Option("--user", help="The id that callers tell as `user`.")]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Whose user, without --url; a key has its own.", show_default="default")
]


@app.command()
def export(
    user: UserOption,
    tenant: TenantOption = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print everything that is kept of a user: a line of JSON for each thing, with its kind. Takes an admin's key."""
    import orjson

    from tandem.cli.rights_source import rights_source

    async def work() -> list[tuple[str, Any]]:
        async with rights_source(config, data_dir, url, api_key, tenant) as source:
            return await source.personal(_told(user))

    *things, (_, counts) = run(work())
    for kind, value in things:
        typer.echo(orjson.dumps({"kind": kind, "value": value}, default=str))
    err.print(", ".join(f"{many} {kind}" for kind, many in counts.items()) or "Nothing is kept of this user.")


@app.command()
def delete(
    user: UserOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    tenant: TenantOption = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Delete everything that is kept of a user, and what is on its way. Safe to run again. Takes an admin's key."""
    from tandem.cli.rights_source import rights_source

    if not yes:
        typer.confirm(f"Delete all answers and opinions of {user!r}?", abort=True)

    async def work() -> dict[str, Any]:
        async with rights_source(config, data_dir, url, api_key, tenant) as source:
            return await source.delete(_told(user))

    done = run(work())
    if output is Output.json:
        print_json(done)
        return
    print_table(("where", "deleted"), list(done["deleted"].items()))
    if done["elsewhere"]:
        out.print(f"Copies went to {', '.join(done['elsewhere'])}: they have to be deleted there.")


def _told(user: str) -> str:
    if not user.strip():
        raise typer.BadParameter("it is empty", param_hint="--user")
    return user
