"""Writes the reference pages from the code they describe; `--check` only tells whether they are fresh."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from metric_families import families
from record_fields import record_fields
from tandem.app.settings import Settings
from tandem.cli.main import app

DOCS = Path(__file__).parents[1] / "docs"
NOTE = "<!-- Made by scripts/generate_docs.py: edit the code, not this page. -->"


def configuration() -> Iterator[str]:
    """`tandem.yaml`, key by key, from the settings' JSON Schema."""
    yield "# Configuration"
    yield (
        "A configuration file, `tandem.yaml`, is named with `--config` or `TANDEM_CONFIG`. Environment variables overlay it: "
        "`TANDEM_`, then the key in capitals, groups joined by two underscores, so that `TANDEM_SERVER__PORT=8010` sets "
        "`server.port`. Flags come before both. Unknown keys are errors.\n\n"
        "`tandem config check` says whether a configuration is valid, `tandem config show` prints what is in force with secrets "
        "masked, `tandem config schema` prints the JSON Schema."
    )
    schema = Settings.model_json_schema()
    plain = {key: field for key, field in schema["properties"].items() if not _group(field)}
    yield "## Top level"
    yield _keys("", plain)
    for key, field in schema["properties"].items():
        yield from _section(key, field, schema["$defs"])


def _section(path: str, field: dict[str, Any], groups: dict[str, Any]) -> Iterator[str]:
    """A group's own keys, then the groups inside it: `x.y` for one, `x[]` for a list of them, `x.NAME` for a map."""
    if (found := _group(field)) is None:
        return
    name, suffix = found
    path += suffix
    fields = groups[name]["properties"]
    plain = {key: inner for key, inner in fields.items() if not _group(inner)}
    yield f"## {path}"
    yield groups[name]["description"]
    if plain:
        yield _keys(f"{path}.", plain)
    for key, inner in fields.items():
        yield from _section(f"{path}.{key}", inner, groups)


def _group(field: dict[str, Any]) -> tuple[str, str] | None:
    """The definition that a field holds, and how it is reached."""
    for part in (field, *field.get("anyOf", ())):
        for holder, suffix in (
            (part, ""),
            (part.get("items", {}), "[]"),
            (next(iter(part.get("patternProperties", {}).values()), part.get("additionalProperties")), ".NAME"),
        ):
            if isinstance(holder, dict) and "$ref" in holder:
                return holder["$ref"].rpartition("/")[2], suffix
    return None


def _keys(prefix: str, fields: dict[str, Any]) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in fields.items():
        default = _default(field.get("default"))
        rows.append(f"| `{prefix}{key}` | {_type(field)} | {default} | {_cell(field.get('description', ''))} |")
    return "\n".join(rows)


def _default(value: object) -> str:
    if value is None or value == []:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"] if part.get("type") != "null")
    if field.get("type") == "array":
        return "list"
    kind = {"integer": "integer", "number": "number", "boolean": "true or false"}.get(field.get("type", ""), "text")
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return kind


def commands() -> Iterator[str]:
    """Every command's help."""
    yield "# Command line"
    yield (
        "`tandem COMMAND --help` prints what is below. Results go to stdout, everything else to stderr. `-o json` prints JSON. "
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. `tandem --install-completion` teaches your shell the commands."
    )
    yield from _command("tandem", typer.main.get_command(app), 2)


def _command(path: str, command: Any, level: int) -> Iterator[str]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if path != "tandem":
        yield f"{'#' * level} {path}"
    help_text = (command.help or "").strip()
    if help_text:
        yield help_text
    if not children:
        context = command.context_class(command, info_name=path)
        yield f"```text\n{' '.join(command.get_usage(context).removeprefix('Usage: ').split())}\n```"
        rows = [row for parameter in command.get_params(context) if (row := _parameter(parameter))]
        yield "\n".join(["| argument or option | meaning | default |", "| --- | --- | --- |", *rows])
    for name, child in children.items():
        yield from _command(f"{path} {name}", child, 2 if path == "tandem" else 3)


def _parameter(parameter: Any) -> str | None:
    if "--help" in parameter.opts:
        return None
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name}`"
    else:
        names = ", ".join(f"`{name}`" for name in parameter.opts)
    shown: Any = getattr(parameter, "show_default", None)
    default = parameter.default
    if isinstance(shown, str):
        told = shown
    elif default is None or default is False or shown is False or callable(default):
        told = ""
    else:
        told = str(getattr(default, "value", default))
    return f"| {names} | {_cell(getattr(parameter, 'help', None) or '')} | {_cell(told)} |"


def metrics() -> Iterator[str]:
    """Every `tandem_*` metric, and those of OpenTelemetry's conventions."""
    yield "# Metrics"
    yield (
        "`GET /metrics` on every target, in Prometheus' text format or in OpenMetrics, with the process's own metrics beside these. "
        "Labels come from routes, codes and configuration, never from request bodies. `tandem_requests_total` counts before "
        "admission and is what a gateway scales on; `tandem_generation_demand` is what a predictor scales on."
    )
    rows = ["| metric | type | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
    for family in families("tandem_", "gen_ai_"):
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {_cell(family.meaning)} |")
    yield "\n".join(rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


PAGES = {
    "configuration.md": configuration,
    "cli.md": commands,
    "metrics.md": metrics,
    "record-fields.md": record_fields,
}


def main() -> int:
    """Exit code 1 when `--check` finds a stale page."""
    stale = []
    for name, blocks in PAGES.items():
        text = "\n\n".join([NOTE, *blocks()]) + "\n"
        page = DOCS / name
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                page.write_text(text, encoding="utf-8")
                print(f"wrote docs/{name}")
    if stale and "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run .venv/bin/python scripts/generate_docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
