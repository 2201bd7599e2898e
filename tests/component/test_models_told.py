"""What gateways are told of a release's models, against a real API server, and what receipts make of it."""

import json
from typing import Any

import pytest
import yaml

from component import test_models_command
from component.test_models_command import CHART, TUNED, Place, kept_answer
from tandem.adapters.models.lineage import DEPLOYED, INSTALLED
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.model_version import Ancestry

server, hub, place = test_models_command.server, test_models_command.hub, test_models_command.place
MADE_FROM = {"dataset": "feedback@3", "training_run": "run-7", "base_model": None}


def told(place: Place) -> dict[str, Any]:
    data = place.core.read_namespaced_config_map("tandem-models", place.cluster.namespace).data
    assert json.loads(data[INSTALLED])["model"] == installed_model()
    found: dict[str, Any] = json.loads(data[DEPLOYED])
    assert found["installed"] == installed_model()
    return found


def installed_model() -> str:
    rendered = CHART / "8b-a10g" / "rendered" / "predictor" / "lineage.yaml"
    return str(json.loads(yaml.safe_load(rendered.read_text(encoding="utf-8"))["data"][INSTALLED])["model"])


def test_gateways_are_told_of_each_model_as_it_comes_and_goes(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--dry-run").returncode == 0
    assert DEPLOYED not in place.core.read_namespaced_config_map("tandem-models", place.cluster.namespace).data
    deployed = place.tandem("deploy", "quantized", "--timeout", "0")
    assert (deployed.returncode, "Receipts will not tell" in deployed.stderr) == (0, False)
    beside = {"installed": installed_model(), "current": "", "ancestries": {TUNED: MADE_FROM}, "candidate": TUNED}
    assert told(place) == beside
    place.status("tandem-candidate")
    promoted = place.tandem("promote", "quantized", "--force", "trying", "--take-over", "--timeout", "0")
    assert promoted.returncode == 0, promoted.stderr
    assert (told(place)["current"], told(place)["ancestries"][TUNED]) == (TUNED, MADE_FROM)
    assert place.tandem("rollback", "--timeout", "0").returncode == 0
    back = told(place)
    assert (back["current"], list(back["ancestries"]), back["candidate"]) == ("", [TUNED], "")


def test_an_api_server_that_goes_away_meanwhile_ends_no_deployment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise UpstreamUnavailable("No API server answers.")

    monkeypatch.setattr("tandem.platform.models.telling.tell", away)
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    done = place.tandem("promote", "quantized", "--force", "x", "--take-over", "--timeout", "0")
    assert (done.returncode, done.stderr.count("Receipts will not tell")) == (0, 1), done.stderr
    assert place.names() == ["tandem"], "the candidate leaves its GPU all the same"


def test_a_release_of_an_older_chart_is_deployed_to_all_the_same(place: Place) -> None:
    place.core.delete_namespaced_config_map("tandem-models", place.cluster.namespace)
    done = place.tandem("deploy", "quantized", "--timeout", "0")
    assert done.returncode == 0
    assert "Receipts will not tell what it was made from: the release has no ConfigMap tandem-models" in done.stderr


def test_what_a_receipt_tells_goes_before_what_the_cluster_remembers(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    assert place.tandem("promote", "quantized", "--force", "x", "--take-over", "--timeout", "0").returncode == 0
    record = kept_answer(place, TUNED, Ancestry("support@9", "run-12"))
    where = ["--data-dir", str(place.folder / "data"), "--tenant", record.asker.tenant, "-o", "json"]
    alone = json.loads(place.tandem("lineage", record.id, *where).stdout)
    assert (alone["model"], alone["version"], alone["told_by"]) == ("org/tuned", TUNED, "the receipt")
    assert alone["ancestry"] == {"dataset": "support@9", "training_run": "run-12", "base_model": None}
    both = json.loads(place.tandem("lineage", record.id, "--release", "tandem", *where).stdout)
    assert (both["model"], both["told_by"], both["gate"]["forced"]) == ("quantized", "the receipt", "x")
    assert both["ancestry"]["dataset"] == "support@9"
