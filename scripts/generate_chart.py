"""Writes the chart's values.schema.json and README.md from values.yaml, and its dashboards; `--check` only tells whether
they are fresh.

A value's description is the comment above it. Its type follows from its default; a comment line `# @ {…}` adds JSON Schema,
where `$ref` names a shape of chart_types.yaml or `config`, which is made from the settings. helm-docs and helm-schema do
the like, but are Go programs that neither pip nor uv installs, and know nothing of our settings.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import dashboards
from tandem.app.settings import Settings

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts/tandem"
SHAPES = Path(__file__).with_name("chart_types.yaml")
# Blocks with the keys of another one, which holds their comments.
LIKE = {"retriever": "gateway", "worker": "gateway"}
# What the chart sets itself, in any case.
TAKEN = {"Settings": ("data_dir",), "Server": ("host", "port"), "Auth": ("keys_file",), "Spool": ("dir",)}
SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}
INTRO = """# Chart `tandem`

<!-- Made by scripts/generate_chart.py: edit values.yaml, not this page. -->

Gateways, retriever and predictor of Tandem on Kubernetes 1.30 and later.

```sh
kubectl create namespace tandem
helm -n tandem upgrade --install tandem charts/tandem -f charts/tandem/values-small-cpu.yaml \\
  --set config.server.allow_unauthenticated=true
helm -n tandem test tandem
```

That is the smallest installation: no GPU, no keys. With keys, name a Secret in `existingSecrets.keysFile` and leave the
last flag out. `values-8b-a10g.yaml` and `values-30b-a100.yaml` are for GPUs; they set `predictor` only. KServe must be
there, or `predictor.external.url`.

Unknown values are refused, wrong types too, and so is a `config` that Tandem would not take."""


@dataclass(frozen=True, slots=True)
class Value:
    """One key of values.yaml. `inner` are the keys below it: none where `shape` tells it all."""

    path: str
    description: str
    default: Any
    shape: dict[str, Any] | None
    inner: tuple["Value", ...]

    @property
    def name(self) -> str:
        """The key itself."""
        return self.path.rpartition(".")[2]


class Unclear(Exception):
    """values.yaml does not tell enough; the message names the key."""


def values(text: str) -> tuple[Value, ...]:
    """Every key with its comment. Raises `Unclear`."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise Unclear("values.yaml holds no values")
    return _keys(root, "", text.splitlines(), {})


def _keys(node: yaml.MappingNode, above: str, lines: list[str], known: dict[str, Value]) -> tuple[Value, ...]:
    found = []
    for key, content in node.value:
        path = f"{above}.{key.value}".lstrip(".")
        comments = _comments(lines, key.start_mark.line)
        hints = [line.removeprefix("@ ") for line in comments if line.startswith("@ ")]
        shape = yaml.safe_load(hints[0]) if hints else None
        head, _, rest = path.partition(".")
        like = known.get(f"{LIKE[head]}.{rest}") if head in LIKE and rest else None
        if like is not None:
            shape = shape or like.shape
        description = " ".join(line for line in comments if not line.startswith("@ "))
        default = yaml.safe_load(yaml.serialize(content))
        below: tuple[Value, ...] = ()
        if isinstance(content, yaml.MappingNode) and content.value and shape is None:
            below = _keys(content, path, lines, known)
        value = Value(path, description or (like.description if like else ""), default, shape, below)
        if not value.description and not below:
            raise Unclear(f"values.yaml: {path} has no comment above it")
        known[path] = value
        found.append(value)
    return tuple(found)


def _comments(lines: list[str], line: int) -> list[str]:
    """The block of comments right above, without the marks."""
    block: list[str] = []
    while line > 0 and (match := re.fullmatch(r"\s*# ?(.*)", lines[line - 1])):
        block.insert(0, match[1].strip())
        line -= 1
    return block


def schema(found: tuple[Value, ...]) -> dict[str, Any]:
    """The JSON Schema of the values: nothing that is not named is let in."""
    shapes = {name: _pointed(shape) for name, shape in yaml.safe_load(SHAPES.read_text(encoding="utf-8")).items()}
    return {
        # Helm before 3.18 knows no later draft.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart tandem",
        **_object(found),
        # A block that was set to null: templates look into it.
        "required": [value.name for value in found if isinstance(value.default, dict)],
        "$defs": {**shapes, **_config()},
    }


def _object(found: tuple[Value, ...]) -> dict[str, Any]:
    properties = {value.name: _typed(value) for value in found}
    if "." not in found[0].path:
        # Helm hands it to every chart that is part of another one.
        properties["global"] = {"type": "object"}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _typed(value: Value) -> dict[str, Any]:
    told = {"description": value.description} if value.description else {}
    if value.inner:
        return {**told, **_object(value.inner)}
    shape = _pointed(value.shape or {})
    if not {"$ref", "type", "enum", "anyOf", "oneOf"} & shape.keys():
        if type(value.default) not in SCALARS:
            raise Unclear(f"values.yaml: {value.path} needs a line `# @ {{…}}` that tells its type")
        shape = {"type": SCALARS[type(value.default)], **shape}
    return {**told, **shape}


def _pointed(shape: Any) -> Any:
    """`$ref: NAME` as a pointer."""
    if isinstance(shape, dict):
        return {key: f"#/$defs/{each}" if key == "$ref" else _pointed(each) for key, each in shape.items()}
    return [_pointed(each) for each in shape] if isinstance(shape, list) else shape


def _config() -> dict[str, Any]:
    """The settings, without secrets and what the chart sets: neither is found in a ConfigMap."""
    made = Settings.model_json_schema()
    groups = {"Settings": {key: each for key, each in made.items() if key != "$defs"}, **made["$defs"]}
    for name, group in groups.items():
        fields = group["properties"]
        group["properties"] = {
            key: field
            for key, field in fields.items()
            if key not in TAKEN.get(name, ()) and not any(part.get("writeOnly") for part in _parts(field))
        }
    settings = _plain(groups.pop("Settings"))
    return {"config": settings, **{name: _plain(group) for name, group in groups.items()}}


def _parts(field: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    inner = field.get("additionalProperties")
    return field, *field.get("anyOf", ()), *([inner] if isinstance(inner, dict) else [])


def _plain(shape: Any) -> Any:
    """Without titles, which only repeat the names, and formats: the settings take "01:00" for a time, JSON Schema does not.

    A property may be called so, too: there it is a shape, not a text.
    """
    if isinstance(shape, dict):
        kept = {key: each for key, each in shape.items() if not (key in {"title", "format"} and isinstance(each, str))}
        return {key: _plain(each) for key, each in kept.items()}
    return [_plain(each) for each in shape] if isinstance(shape, list) else shape


def readme(found: tuple[Value, ...]) -> str:
    """The page: a table for each block."""
    return "\n\n".join([INTRO, *_sections(found)]) + "\n"


def _sections(found: tuple[Value, ...]) -> Iterator[str]:
    yield "## General"
    yield _table([value for value in found if not value.inner])
    by_path = {value.path: value for value in _all(found)}
    for block in (value for value in found if value.inner):
        yield f"## {block.name}"
        if block.description:
            yield block.description
        shown = [value for value in _all(block.inner) if value.description or not value.inner]
        if (like := LIKE.get(block.name)) is not None:
            yield f"The keys are those of `{like}`; these have another default or meaning, or are its own:"
            twins = {value.path: by_path.get(value.path.replace(block.name, like, 1)) for value in shown}
            shown = [value for value in shown if _differs(value, twins[value.path])]
        yield _table(shown)


def _differs(value: Value, twin: Value | None) -> bool:
    return twin is None or (not value.inner and (value.default, value.description) != (twin.default, twin.description))


def _all(found: tuple[Value, ...]) -> Iterator[Value]:
    for value in found:
        yield value
        yield from _all(value.inner)


def _table(found: list[Value]) -> str:
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for value in found:
        default = "" if value.inner else f"`{json.dumps(value.default, ensure_ascii=False)}`"
        shown = default if len(default) <= 60 else "see values.yaml"
        rows.append(f"| `{value.path}` | {shown} | {value.description.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def unread(found: tuple[Value, ...]) -> list[str]:
    """Values that no template looks at, and no rule: there a threshold stands as `# NAME`."""
    paths = (path for folder in ("templates", "rules") for path in (CHART / folder).rglob("*") if path.is_file())
    templates = "".join(path.read_text(encoding="utf-8") for path in paths)
    leaves = [value for value in _all(found) if not value.inner]
    return [value.path for value in leaves if not re.search(rf'([."]|  # ){value.name}\b', templates)]


def versions() -> str | None:
    """What is wrong with the chart's versions."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    if {chart["version"], chart["appVersion"]} == {project}:
        return None
    return f"Chart.yaml: version and appVersion must be the project's, {project}"


def main() -> int:
    """Exit code 1 when values.yaml is unclear, or `--check` finds something stale."""
    try:
        found = values((CHART / "values.yaml").read_text(encoding="utf-8"))
        made = {
            "values.schema.json": json.dumps(schema(found), indent=2, ensure_ascii=False) + "\n",
            "README.md": readme(found),
            **dashboards.made(),
        }
    except (Unclear, dashboards.Unknown) as error:
        print(error, file=sys.stderr)
        return 1
    faults = [f"values.yaml: no template reads {path}" for path in unread(found)]
    faults += filter(None, [versions()])
    left = {path.relative_to(CHART).as_posix() for path in CHART.glob("dashboards/*")} - made.keys()
    faults += [f"charts/tandem/{name} is made by nothing: delete it" for name in sorted(left)]
    for name, text in made.items():
        file = CHART / name
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv:
            faults.append(f"stale: charts/tandem/{name}; run .venv/bin/python scripts/generate_chart.py")
        else:
            file.write_text(text, encoding="utf-8")
            print(f"wrote charts/tandem/{name}")
    print("\n".join(faults), end="\n" if faults else "", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
