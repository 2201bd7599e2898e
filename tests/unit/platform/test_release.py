import base64
import gzip
import json
from typing import Any

import pytest

from fakes.kubernetes_objects import APIS, facts, one, pod, thing
from tandem.platform import helm
from tandem.platform.facts import Facts, Installed
from tandem.platform.findings import Severity
from tandem.platform.rules.apis import apis, controllers
from tandem.platform.rules.release import release
from tandem.platform.rules.rights import rights

KSERVE = {"serving.kserve.io/v1beta1": frozenset({"InferenceService"})}


def installed(status: str = "deployed", revision: int = 1, **more: Any) -> Installed:
    return Installed(status, revision, more.pop("description", ""), "tandem-0.1.0", more.pop("needs", {}))


def record(manifest: str = "", version: int = 1, status: str = "deployed") -> dict[str, Any]:
    content = {
        "info": {"status": status, "description": "Upgrade\ncomplete"},
        "version": version,
        "chart": {"metadata": {"name": "tandem", "version": "0.1.0"}},
        "manifest": manifest,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
    return {"metadata": {"name": "x", "labels": {"version": str(version)}}, "data": {"release": packed}}


def test_the_record_of_helm_is_read() -> None:
    manifest = (
        "---\n# Source: a\napiVersion: v1\nkind: Service\n---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n"
    )
    newest = helm.latest((record(version=2), record(manifest, version=10), record(version=9)))
    assert newest is not None
    found = helm.installed(newest)
    assert found is not None
    assert (found.status, found.revision, found.description, found.chart) == (
        "deployed",
        10,
        "Upgrade complete",
        "tandem-0.1.0",
    )
    assert found.needs == {"v1": {"Service"}, "keda.sh/v1alpha1": {"ScaledObject"}}


@pytest.mark.parametrize("data", ["", "!!", base64.b64encode(b"no gzip").decode()])
def test_a_record_that_is_written_otherwise_is_no_record(data: str) -> None:
    assert helm.installed({"data": {"release": data}}) is None
    assert helm.latest(()) is None


def test_a_release_that_is_not_there() -> None:
    finding = one(release(facts()))
    assert finding.problem == "there is no release 'tandem' in namespace 'prod'"


@pytest.mark.parametrize(
    ("found", "rule", "fix"),
    [
        (installed("pending-upgrade", 3), "release-pending", "helm rollback tandem -n prod"),
        (installed("pending-install"), "release-pending", "helm uninstall tandem -n prod"),
        (
            installed("failed", description="context deadline exceeded"),
            "release-failed",
            "helm upgrade --install tandem",
        ),
    ],
)
def test_a_release_that_helm_left_half_way(found: Installed, rule: str, fix: str) -> None:
    finding = one(release(facts(installed=found)))
    assert (finding.rule, fix in finding.fix) == (rule, True)


@pytest.mark.parametrize("known", [facts(installed=installed()), facts(pod())])
def test_a_release_that_is_there(known: Facts) -> None:
    assert list(release(known)) == []


def test_an_api_that_the_release_is_made_of_and_the_cluster_lacks() -> None:
    without = frozenset(api for api in APIS if not api.startswith("serving"))
    finding = one(apis(facts(installed=installed(needs=KSERVE), apis=without)))
    assert finding.problem.endswith("the cluster does not know: InferenceService (serving.kserve.io/v1beta1)")
    assert "install KServe" in finding.fix


def test_an_api_in_a_version_that_is_gone_is_missing_too() -> None:
    older = frozenset({"keda.sh/v2"})
    needs = {"keda.sh/v1alpha1": frozenset({"ScaledObject"})}
    assert one(apis(facts(installed=installed(needs=needs), apis=older))).rule == "api-missing"


def test_apis_that_nobody_uses_are_worth_a_note_before_installing_only() -> None:
    found = list(apis(facts(apis=frozenset({"apps/v1"}))))
    assert {each.severity for each in found} == {Severity.note}
    assert [each.subject for each in found] == ["api/serving.kserve.io", "api/keda.sh", "api/monitoring.coreos.com"]
    assert list(apis(facts(installed=installed(), apis=frozenset({"apps/v1"})))) == []


def test_a_controller_that_does_not_run() -> None:
    finding = one(controllers(facts(installed=installed(needs=KSERVE), controllers={"KServe": 0})))
    assert finding.problem == "KServe has no controller running, so nothing runs the predictor"


def test_a_controller_that_is_not_found_is_missed_only_where_nothing_was_done() -> None:
    unseen = thing("InferenceService", "tandem", "predictor")
    seen = unseen | {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert list(controllers(facts(unseen, controllers={"KServe": None})))
    assert list(controllers(facts(seen, controllers={"KServe": None}))) == []
    assert list(controllers(facts(unseen, controllers={}))) == []
    assert list(controllers(facts(unseen, controllers={"KServe": 1, "KEDA": 0}))) == []


def test_what_may_not_be_read_is_told_and_fails_only_where_it_is_needed() -> None:
    found = list(rights(facts(unread={"nodes": "nodes is forbidden", "pods": "pods is\nforbidden", "secrets": "x"})))
    assert [(each.subject, each.severity) for each in found] == [
        ("rights/pods", Severity.problem),
        ("rights", Severity.note),
    ]
    assert "kubectl auth can-i list pods -n prod" in found[0].fix
    assert found[1].problem.endswith("are missed: nodes, secrets")
