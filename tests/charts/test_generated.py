"""The generator of the chart's schema and page notices what is not told, and lets in what the settings take, but no secret."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_chart", ROOT / "scripts/generate_chart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def config(generate: ModuleType) -> jsonschema_rs.Draft7Validator:
    """What the schema says of `config:`."""
    made = generate.schema(generate.values((ROOT / "charts/tandem/values.yaml").read_text()))
    return jsonschema_rs.Draft7Validator({"$ref": "#/$defs/config", "$defs": made["$defs"]})


def _faults(config: jsonschema_rs.Draft7Validator, given: Any) -> list[str]:
    return [error.message for error in config.iter_errors(given)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\n", "a has no comment"),
        ("# Why.\na:\n  b: 1\n", "a.b has no comment"),
        ("# Why.\na: {}\n", "a needs a line"),
        ("# Why.\na: []\n", "a needs a line"),
        ("[]\n", "holds no values"),
    ],
)
def test_what_is_not_told_is_named(generate: ModuleType, text: str, told: str) -> None:
    with pytest.raises(generate.Unclear, match=told):
        generate.schema(generate.values(text))


def test_a_comment_becomes_description_type_and_row(generate: ModuleType) -> None:
    found = generate.values("# First.\na:\n  # How | many,\n  # at least.\n  # @ {minimum: 1}\n  b: 2\n")
    inner = generate.schema(found)["properties"]["a"]
    assert inner["additionalProperties"] is False
    assert inner["properties"]["b"] == {"description": "How | many, at least.", "type": "integer", "minimum": 1}
    assert r"| `a.b` | `2` | How \| many, at least. |" in generate.readme(found)


def test_a_value_that_no_template_reads_is_found(generate: ModuleType) -> None:
    found = generate.values("# Read.\nfullnameOverride: ''\n# Forgotten.\nnobodyReadsThis: ''\n")
    assert generate.unread(found) == ["nobodyReadsThis"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"server": {"drain_delay_s": 5, "allow_unauthenticated": True}, "prompts_dir": "/prompts"},
        {"tenants": {"hospital": {"regions": ["onprem"], "priority": "high"}}, "quotas": {"on_store_loss": "local"}},
        {
            "pools": [
                {
                    "name": "a",
                    "endpoints": [{"url": "http://x"}],
                    "spill": {"schedule": [{"start": "01:00", "end": "02:00"}]},
                }
            ]
        },
    ],
)
def test_what_the_settings_take_is_let_in(config: jsonschema_rs.Draft7Validator, given: Any) -> None:
    assert _faults(config, given) == []


@pytest.mark.parametrize(
    "given",
    [
        {"vectors": {"api_key": "secret"}},
        {"predictor": {"api_key": "secret"}},
        {"retriever": {"api_key": "secret"}},
        {"quotas": {"store_url": "redis://:secret@x"}},
        {"pools": [{"name": "a", "endpoints": [{"url": "http://x", "api_key": "secret"}]}]},
        {"server": {"host": "127.0.0.1"}},
        {"data_dir": "/elsewhere"},
        {"servr": {}},
        {"server": {"drain_delay_s": "5s"}},
    ],
)
def test_secrets_typos_and_what_the_chart_sets_are_refused(config: jsonschema_rs.Draft7Validator, given: Any) -> None:
    assert len(_faults(config, given)) == 1
