"""Makes tests/charts/schemas/ from files with the CustomResourceDefinitions that the chart's objects are of."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

TO = Path(__file__).parents[1] / "tests/charts/schemas"
KINDS = frozenset(
    {
        "InferenceService",
        "ServingRuntime",
        "ScaledObject",
        "TriggerAuthentication",
        "PodMonitor",
        "PrometheusRule",
        "HTTPRoute",
    }
)
# KServe's blocks for one framework or one more component each, as large as the pod's and none of ours.
FRAMEWORKS = frozenset("huggingface lightgbm onnx paddle pmml pytorch sklearn tensorflow triton xgboost".split())
OTHERS = FRAMEWORKS | {"canary", "explainer", "transformer", "workerSpec", "status"}
PROSE = frozenset({"description", "default", "example"})


def trimmed(node: dict[str, Any]) -> dict[str, Any]:
    """A structural schema as plain JSON Schema: the API server prunes what it does not know, here it is an error."""
    kept = {key: value for key, value in node.items() if key not in PROSE and not key.startswith("x-kubernetes-")}
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in node:
        kept["properties"] = {name: trimmed(value) for name, value in node["properties"].items() if name not in OTHERS}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            kept["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = trimmed(kept[key])
    if node.get("nullable"):
        kept["type"] = [kept["type"], "null"]
        del kept["nullable"]
    return kept


for document in (one for path in sys.argv[1:] for one in yaml.safe_load_all(Path(path).read_text())):
    if not document or document.get("kind") != "CustomResourceDefinition":
        continue
    spec = document["spec"]
    if (kind := spec["names"]["kind"]) not in KINDS:
        continue
    for version in (one for one in spec["versions"] if one["storage"]):
        schema = trimmed(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        schema = {"apiVersion": f"{spec['group']}/{version['name']}", "kind": kind, "schema": schema}
        (TO / f"{kind.lower()}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
