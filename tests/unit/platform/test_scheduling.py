import pytest

from fakes.kubernetes_objects import EARLIER, event, facts, node, one, unscheduled
from tandem.platform.findings import Severity
from tandem.platform.rules.scheduling import scheduling

POOL = {"tandem.dev/pool": "gpu-a10g"}
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def asking(**requests: str) -> list[dict[str, object]]:
    return [{"name": "predictor", "resources": {"requests": requests}}]


def test_a_label_that_no_node_has_is_named_with_the_values_that_there_are() -> None:
    pod = unscheduled(nodeSelector=POOL)
    finding = one(scheduling(facts(pod, node("a", labels={"tandem.dev/pool": "cpu"}), node("b"))))
    assert finding.problem == "no node has the label tandem.dev/pool=gpu-a10g (nodes have tandem.dev/pool: cpu)"
    assert "kubectl label node NODE tandem.dev/pool=gpu-a10g" in finding.fix
    assert (finding.subject, finding.component) == ("pod/tandem-predictor-1", "predictor")


def test_a_label_that_is_nowhere_is_said_to_be_nowhere() -> None:
    finding = one(scheduling(facts(unscheduled(nodeSelector=POOL), node("a"))))
    assert "no node has tandem.dev/pool at all" in finding.problem


def test_labels_that_no_single_node_has_together() -> None:
    pod = unscheduled(nodeSelector=POOL | {"zone": "1"})
    finding = one(scheduling(facts(pod, node("a", labels=POOL), node("b", labels={"zone": "1"}))))
    assert finding.problem == "no single node has all of these labels: tandem.dev/pool=gpu-a10g, zone=1"


def test_a_required_affinity_counts_like_a_selector() -> None:
    terms = [{"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a", "b"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod = unscheduled(affinity={"nodeAffinity": required})
    assert "no node has the label gpu=a|b" in one(scheduling(facts(pod, node("a", labels={"gpu": "c"})))).problem
    full = one(scheduling(facts(pod, node("a", labels={"gpu": "b"})))).problem
    assert "label" not in full


def test_a_taint_that_is_not_tolerated() -> None:
    pod = unscheduled(nodeSelector=POOL)
    finding = one(scheduling(facts(pod, node("a", labels=POOL, taints=[TAINT]), node("b"))))
    assert "tainted nvidia.com/gpu=present:NoSchedule, which the pod does not tolerate" in finding.problem
    assert finding.fix == "add {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule} to predictor.tolerations"


@pytest.mark.parametrize(
    ("toleration", "enough"),
    [
        (TOLERATION, True),
        ({"operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "value": "present"}, True),
        ({"key": "nvidia.com/gpu", "value": "other"}, False),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations_are_read_as_the_scheduler_reads_them(toleration: dict[str, str], enough: bool) -> None:
    pod = unscheduled(tolerations=[toleration])
    problem = one(scheduling(facts(pod, node("a", taints=[TAINT])))).problem
    assert ("tainted" not in problem) == enough


def test_a_preference_against_a_node_keeps_no_pod_away() -> None:
    soft = TAINT | {"effect": "PreferNoSchedule"}
    assert "tainted" not in one(scheduling(facts(unscheduled(), node("a", taints=[soft])))).problem


def test_a_node_that_is_cordoned() -> None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    finding = one(scheduling(facts(unscheduled(), node("a", taints=[taint]))))
    assert (finding.fix, "cordoned" in finding.problem) == ("kubectl uncordon a", True)


def test_gpus_that_no_node_offers() -> None:
    pod = unscheduled(containers=asking(**{"nvidia.com/gpu": "1"}), nodeSelector=POOL, tolerations=[TOLERATION])
    finding = one(scheduling(facts(pod, node("a", labels=POOL, taints=[TAINT]), node("b", gpu="8"))))
    assert finding.problem == "it asks for nvidia.com/gpu: 1, and no node that it may go to offers any"
    assert "device plugin" in finding.fix


def test_more_than_the_largest_node_has() -> None:
    pod = unscheduled(containers=asking(cpu="6500m", memory="8Gi"))
    finding = one(scheduling(facts(pod, node("a"), node("b", cpu="6"))))
    assert finding.problem == "it asks for cpu: 6.5, and the largest node that it may go to has 6"
    memory = unscheduled(containers=[*asking(memory="10Gi"), *asking(memory="10Gi")])
    problem = one(scheduling(facts(memory, node("a")))).problem
    assert problem == "it asks for memory: 20 Gi, and the largest node that it may go to has 16 Gi"


def test_nodes_that_are_full_are_told_in_the_schedulers_words() -> None:
    said = (
        "0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu. preemption: 0/2 nodes are available: none."
    )
    finding = one(scheduling(facts(unscheduled(said), node("a"), node("b"))))
    assert "too little cpu, memory is free" in finding.problem
    assert "preemption" not in finding.problem


def test_without_the_right_to_read_nodes_the_scheduler_has_the_word() -> None:
    said = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: none"
    finding = one(scheduling(facts(unscheduled(said, nodeSelector=POOL))))
    assert finding.problem == "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    assert "predictor.nodeSelector" in finding.fix


def test_a_node_that_is_being_made_is_no_problem() -> None:
    pod = unscheduled(nodeSelector=POOL)
    failed = event(pod, "FailedScheduling", "0/1 nodes are available", "2026-03-01T11:59:00Z")
    coming = event(pod, "TriggeredScaleUp", "pod triggered scale-up: [gpu 0->1]", EARLIER)
    assert one(scheduling(facts(pod, node("a"), failed, coming))).severity is Severity.note
    refused = event(pod, "NotTriggerScaleUp", "pod didn't trigger scale-up", "2026-03-01T11:30:00Z")
    assert one(scheduling(facts(pod, node("a"), failed, coming, refused))).severity is Severity.problem


def test_a_pod_that_waits_for_its_volume_is_told_of_at_the_claim() -> None:
    said = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    assert list(scheduling(facts(unscheduled(said), node("a")))) == []
