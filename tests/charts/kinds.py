"""What the API server would say to an object: the schemas of Kubernetes' own kinds, by version, and of others' kinds."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34")
OTHERS = Path(__file__).parent / "schemas"
# Where the schemas' references lead to; nothing is fetched.
_ROOT = "https://kubernetes.invalid/api"


def problems(found: Mapping[str, Any], version: str) -> list[str]:
    """What is wrong with an object under a Kubernetes version, one line each; empty: it would be accepted as it is."""
    name = f"{found['kind']}/{found['metadata']['name']}"
    validator = _validator(found["apiVersion"], found["kind"], version)
    if validator is None:
        return [f"{name}: Kubernetes {version} has no {found['kind']} in {found['apiVersion']}"]
    return [
        f"{name} {'.'.join(str(step) for step in error.instance_path)}: {error.message}"
        for error in validator.iter_errors(found)
    ]


@cache
def _validator(api: str, kind: str, version: str) -> jsonschema_rs.Draft202012Validator | None:
    group, _, name = api.rpartition("/")
    if "." in group and not group.endswith(".k8s.io"):
        return _others(api, kind)
    folder = _kubernetes(version)
    file = folder / f"{'-'.join(filter(None, (kind.lower(), group.split('.')[0], name)))}.json"
    if not file.is_file():
        return _others(api, kind)
    schema = {**json.loads(file.read_text()), "$id": f"{_ROOT}/object.json"}
    return jsonschema_rs.Draft202012Validator(schema, registry=_definitions(version))


def _others(api: str, kind: str) -> jsonschema_rs.Draft202012Validator | None:
    file = OTHERS / f"{kind.lower()}.json"
    if not file.is_file():
        return None
    definition = json.loads(file.read_text())
    return jsonschema_rs.Draft202012Validator(definition["schema"]) if definition["apiVersion"] == api else None


@cache
def _definitions(version: str) -> jsonschema_rs.Registry:
    """Everything that the kinds of a version are made of."""
    text = (_kubernetes(version) / "_definitions.json").read_text()
    return jsonschema_rs.Registry([(f"{_ROOT}/_definitions.json", json.loads(text))])


def _kubernetes(version: str) -> Path:
    return Path(str(files("kubernetes_validate"))) / f"kubernetes-json-schema/v{version}.0-local-strict"
