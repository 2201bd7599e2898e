from typing import Any

import pytest

from fakes.kubernetes_objects import JUST_NOW, facts, one, thing
from tandem.platform.rules.predictor import predictor
from tandem.platform.rules.scaling import scaling
from tandem.platform.rules.volumes import volumes

Json = dict[str, Any]


def service(*conditions: Json, **status: Any) -> Json:
    return thing("InferenceService", "tandem", "predictor", status={"conditions": list(conditions), **status})


def holds(kind: str, status: str, message: str = "", reason: str = "") -> Json:
    return {"type": kind, "status": status, "message": message, "reason": reason}


def test_a_predictor_that_is_ready() -> None:
    assert list(predictor(facts(service(holds("Ready", "True"))))) == []


def test_the_condition_that_caused_the_others_is_told() -> None:
    waiting = service(
        holds("Ready", "False", "whatever"),
        holds("PredictorReady", "False", "Deployment does not have minimum availability."),
    )
    finding = one(predictor(facts(waiting)))
    assert finding.problem == "PredictorReady is False: Deployment does not have minimum availability."
    assert "predictor.startupSeconds" in finding.fix


def test_a_model_that_does_not_load() -> None:
    failure = {"lastFailureInfo": {"reason": "ModelLoadFailed", "message": "404: no such\nrevision"}}
    finding = one(predictor(facts(service(holds("Ready", "False"), modelStatus=failure))))
    assert finding.problem == "the model does not load: 404: no such revision"
    runtime = {"lastFailureInfo": {"reason": "NoSupportingRuntime", "message": "no runtime"}}
    assert "predictor.runtime" in one(predictor(facts(service(modelStatus=runtime)))).fix


def test_a_predictor_that_sleeps_is_well() -> None:
    asleep = thing("Deployment", "tandem-predictor", "predictor", spec={"replicas": 0})
    assert list(predictor(facts(service(holds("Ready", "False", "x")), asleep))) == []


def test_an_inferenceservice_that_nobody_looked_at() -> None:
    assert one(predictor(facts(service()))).problem == "KServe has not looked at it"
    assert list(predictor(facts(service() | {"metadata": {"name": "tandem", "creationTimestamp": JUST_NOW}}))) == []


def scaled(*conditions: Json, least: int = 1) -> Json:
    status = {"conditions": list(conditions), "hpaName": "keda-hpa-x"}
    return thing("ScaledObject", "tandem-gateway", spec={"minReplicaCount": least}, status=status)


def hpa(name: str, *conditions: Json, owner: str | None = None) -> Json:
    owners = [{"kind": owner}] if owner else []
    return thing(
        "HorizontalPodAutoscaler", name, metadata={"ownerReferences": owners}, status={"conditions": list(conditions)}
    )


def test_a_scaledobject_that_is_not_ready() -> None:
    said = "Triggers defined in ScaledObject are not working correctly"
    finding = one(scaling(facts(scaled(holds("Ready", "False", said)))))
    assert (finding.subject, finding.rule) == ("scaledobject/tandem-gateway", "scaling-no-metrics")


def test_a_scaledobject_whose_target_is_not_there() -> None:
    finding = one(
        scaling(
            facts(scaled(holds("Ready", "False", "ScaledObject doesn't have correct scaleTargetRef specification")))
        )
    )
    assert finding.rule == "scaling-not-ready"


@pytest.mark.parametrize("active", ["True", "Unknown"])
def test_the_hpa_behind_a_scaledobject_without_metrics(active: str) -> None:
    behind = hpa("keda-hpa-x", holds("ScalingActive", "False", "unable to get external metric"), owner="ScaledObject")
    found = facts(scaled(holds("Ready", "True"), holds("Active", active)), behind)
    assert one(scaling(found)).subject == "scaledobject/tandem-gateway"


def test_what_sleeps_at_zero_has_nothing_to_measure() -> None:
    behind = hpa("keda-hpa-x", holds("ScalingActive", "False", "ScalingDisabled"), owner="ScaledObject")
    found = facts(scaled(holds("Ready", "True"), holds("Active", "False"), least=0), behind)
    assert list(scaling(found)) == []


def test_a_scaledobject_on_its_fallback() -> None:
    assert "fallback" in one(scaling(facts(scaled(holds("Ready", "True"), holds("Fallback", "True"))))).problem


def test_a_plain_hpa_without_metrics() -> None:
    said = "the HPA was unable to compute the replica count: unable to get resource metric cpu"
    finding = one(
        scaling(facts(hpa("tandem-gateway", holds("ScalingActive", "False", said, "FailedGetResourceMetric"))))
    )
    assert "metrics-server" in finding.fix
    cannot = one(scaling(facts(hpa("tandem-gateway", holds("AbleToScale", "False", "deployments not found")))))
    assert cannot.rule == "scaling-not-able"


def claim(name: str = "data-tandem-retriever-0", phase: str = "Pending", **spec: Any) -> Json:
    return thing("PersistentVolumeClaim", name, "retriever", spec=spec, status={"phase": phase})


def storage_class(name: str, *, default: bool = False) -> Json:
    note = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"kind": "StorageClass", "metadata": {"name": name, "annotations": note}}


def test_a_claim_that_names_a_class_that_is_not_there() -> None:
    finding = one(volumes(facts(claim(storageClassName="fast"), storage_class("gp3"))))
    assert (finding.problem, "gp3" in finding.fix) == ("pending: there is no StorageClass 'fast'", True)


def test_a_claim_without_a_class_where_none_is_the_default() -> None:
    assert "no default one" in one(volumes(facts(claim(), storage_class("gp3")))).problem
    assert list(volumes(facts(claim(), storage_class("gp3", default=True)))) == []


def test_a_claim_that_the_provisioner_failed() -> None:
    pending = claim(storageClassName="gp3")
    said = {
        "kind": "Event",
        "metadata": {},
        "involvedObject": {"kind": "PersistentVolumeClaim", "name": "data-tandem-retriever-0"},
        "reason": "ProvisioningFailed",
        "message": "quota\nexceeded",
    }
    assert one(volumes(facts(pending, storage_class("gp3"), said))).problem == "pending: quota exceeded"
    assert list(volumes(facts(pending, storage_class("gp3"), said | {"reason": "WaitForFirstConsumer"}))) == []


def test_a_claim_that_is_bound_or_somebody_elses() -> None:
    other = claim(storageClassName="fast") | {"metadata": {"name": "other", "labels": {}}}
    assert list(volumes(facts(claim(phase="Bound"), other, storage_class("gp3")))) == []


def test_a_claim_that_a_pod_names_and_nobody_made() -> None:
    volume = {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}
    needing = thing("Pod", "tandem-predictor-1", "predictor", spec={"volumes": [volume]})
    found = one(volumes(facts(needing, claim(phase="Bound"))))
    assert found.problem == "there is no claim 'models'"
    assert list(volumes(facts(needing))) == []  # claims could not be read
