"""Helm's record of a release, as Helm keeps it in a Secret."""

import base64
import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from tandem.platform.facts import Installed
from tandem.platform.objects import Object, at


def latest(secrets: tuple[Object, ...]) -> Object | None:
    """The record of the newest revision."""
    return max(secrets, key=lambda secret: int(at(secret, "metadata", "labels", "version", default="0")), default=None)


def installed(secret: Object) -> Installed | None:
    """What the record says; None when it is written in a way that is not known here.

    Helm stores JSON, gzipped, in base64, in the Secret's base64. Only status, chart, values and the kinds of the
    manifest are taken from it.
    """
    try:
        packed = base64.b64decode(base64.b64decode(at(secret, "data", "release", default="")))
        record: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    chart = at(record, "chart", "metadata", default={})
    manifest = str(record.get("manifest", ""))
    return Installed(
        status=str(at(record, "info", "status", default="unknown")),
        revision=int(record.get("version") or 0),
        description=" ".join(str(at(record, "info", "description", default="")).split()),
        chart=f"{chart.get('name', '')}-{chart.get('version', '')}",
        needs=needs(documents(manifest)),
        values=merged(at(record, "chart", "values", default={}), record.get("config") or {}),
    )


def documents(manifest: str) -> list[Object]:
    """The objects of a manifest; none where it is no YAML."""
    try:
        return [each for each in yaml.safe_load_all(manifest) if isinstance(each, dict) and each.get("apiVersion")]
    except yaml.YAMLError:
        return []


def needs(objects: Iterable[Object]) -> dict[str, frozenset[str]]:
    """The kinds that objects are of, by apiVersion."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for each in objects:
        kinds[str(each["apiVersion"])].add(str(each.get("kind", "")))
    return {api: frozenset(names) for api, names in kinds.items()}


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others laid over them, as Helm does it: null takes a key away."""
    whole = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping) and isinstance(whole.get(key), Mapping):
            whole[key] = merged(whole[key], value)
        elif value is None:
            whole.pop(key, None)
        else:
            whole[key] = value
    return whole
