"""Helm's record of a release, as Helm keeps it in a Secret."""

import base64
import gzip
import json
import zlib
from collections import defaultdict
from typing import Any

import yaml

from tandem.platform.facts import Installed
from tandem.platform.objects import Object, at


def latest(secrets: tuple[Object, ...]) -> Object | None:
    """The record of the newest revision."""
    return max(secrets, key=lambda secret: int(at(secret, "metadata", "labels", "version", default="0")), default=None)


def installed(secret: Object) -> Installed | None:
    """What the record says; None when it is written in a way that is not known here.

    Helm stores JSON, gzipped, in base64, in the Secret's base64. Only status, chart and the kinds of the manifest are
    taken from it.
    """
    try:
        packed = base64.b64decode(base64.b64decode(at(secret, "data", "release", default="")))
        record: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    chart = at(record, "chart", "metadata", default={})
    return Installed(
        status=str(at(record, "info", "status", default="unknown")),
        revision=int(record.get("version") or 0),
        description=" ".join(str(at(record, "info", "description", default="")).split()),
        chart=f"{chart.get('name', '')}-{chart.get('version', '')}",
        needs=_needs(str(record.get("manifest", ""))),
    )


def _needs(manifest: str) -> dict[str, frozenset[str]]:
    kinds: dict[str, set[str]] = defaultdict(set)
    try:
        for document in yaml.safe_load_all(manifest):
            if isinstance(document, dict) and document.get("apiVersion"):
                kinds[str(document["apiVersion"])].add(str(document.get("kind", "")))
    except yaml.YAMLError:
        return {}
    return {api: frozenset(names) for api, names in kinds.items()}
