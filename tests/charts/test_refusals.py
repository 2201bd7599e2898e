"""What could only fail on the cluster is refused when it is rendered: in one line, which says the way out."""

from typing import Any

import pytest

from charts.rendering import APIS, CHART, Case, cases, objects, refusal, rendered, run

OPEN: dict[str, Any] = {"config": {"server": {"allow_unauthenticated": True}}}
SMALLEST = CHART / "ci/smallest-values.yaml"
WORK: dict[str, Any] = {"config": {"ingestion": {"sources": [{"name": "a", "place": "https://a.example.com"}]}}}
STATE: dict[str, Any] = {"existingSecrets": {"state": {"name": "sql"}}}
EGRESS = {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "ports": [{"port": 5432}]}
KEYS: dict[str, Any] = {"existingSecrets": {"keysFile": {"name": "keys"}}}
QDRANT = {"vectors": {"url": "http://qdrant.qdrant:6333"}}
# The parts of a 30B model's budget, on a GPU that has 24 GB.
LARGE = {"weightsGB": 36, "kvBytesPerToken": 262144, "overheadGB": 4}


# Values over those of ci/smallest, what the line must name, and the way out that it must say.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody said who may ask": (
        {"config": {"server": {"allow_unauthenticated": None}}},
        "existingSecrets.keysFile.name",
        "allow_unauthenticated",
    ),
    "keys without a Secret": (
        {"config": {"auth": {"mode": "keys"}}},
        "config.auth.mode is keys",
        "existingSecrets.keysFile",
    ),
    "keys that are switched off": (
        {**KEYS, "config": {"auth": {"mode": "none"}}},
        "config.auth.mode is none",
        "leave config.auth.mode out",
    ),
    "no key for the retriever": (KEYS, "The gateway needs a key of its own", "existingSecrets.retriever"),
    "two retrievers, one by URL": (
        {"config": {"retriever": {"url": "http://r"}}},
        "config.retriever.url",
        "set retriever.enabled to false",
    ),
    "no place for documents": ({"retriever": {"enabled": False}}, "no place for documents", "config.vectors.url"),
    "no model": ({"predictor": {"enabled": False}}, "There is no model", "predictor.external.url"),
    "a model by URL and one deployed": (
        {"config": {"predictor": {"url": "http://llm"}}},
        "config.predictor.url",
        "use predictor.external.url",
    ),
    "a model by URL without its name": (
        {"predictor": {"external": {"url": "http://llm", "protocol": "openai"}}},
        "predictor.external.model is empty",
        "the name of its model",
    ),
    "a key for a pool that is not there": (
        {"existingSecrets": {"pools": {"far": {"name": "a", "key": "b"}}}},
        '"far"',
        "config.pools",
    ),
    "quotas behind a wall": (
        {"networkPolicy": {"enabled": True}, "existingSecrets": {"quotas": {"name": "q"}}},
        "existingSecrets.quotas",
        "networkPolicy.extraEgress.gateway",
    ),
    "a worker without work": ({"worker": {"enabled": True}}, "nothing to do", "config.ingestion.sources"),
    "a worker that follows requests": (
        {**WORK, "worker": {"enabled": True, "autoscaling": {"enabled": True, "type": "keda"}}},
        "worker.autoscaling.type is keda",
        "or take cpu",
    ),
    "a worker that CPU is to wake": (
        {**WORK, "worker": {"enabled": True, "autoscaling": {"enabled": True, "minReplicas": 0}}},
        "worker.autoscaling.minReplicas is 0",
        "or take keda",
    ),
    "documents that nobody would keep": (
        {
            **STATE,
            "config": {**WORK["config"], "worker": {"queues": ["ingest", "answers"]}},
            "worker": {"enabled": True, "autoscaling": {"enabled": True, "type": "keda", "minReplicas": 0}},
        },
        "the workers keep config.ingestion.sources",
        "take ingest out of config.worker.queues",
    ),
    "jobs that nobody would answer": (
        {"config": {"worker": {"queues": ["answers"]}}},
        "worker.enabled is false",
        "set it to true",
    ),
    "answers without a queue": (
        {"config": {"worker": {"queues": ["answers"]}}, "worker": {"enabled": True}},
        "config.worker.queues has answers",
        "existingSecrets.state",
    ),
    "answers to jobs that nobody takes": (
        {
            **STATE,
            "config": {"worker": {"queues": ["batches"]}, "jobs": {"enabled": False}},
            "worker": {"enabled": True},
        },
        "config.jobs.enabled is false",
        "take them out",
    ),
    "a worker that answers without a model": (
        {
            **STATE,
            "config": {"worker": {"queues": ["answers"]}},
            "worker": {"enabled": True},
            "gateway": {"enabled": False},
            "predictor": {"enabled": False},
        },
        "There is no model",
        "predictor.external.url",
    ),
    "a worker's store behind a wall": (
        {
            **STATE,
            "networkPolicy": {"enabled": True, "extraEgress": {"gateway": [EGRESS]}},
            "config": {"worker": {"queues": ["answers"]}},
            "worker": {"enabled": True},
        },
        "existingSecrets.state",
        "networkPolicy.extraEgress.worker",
    ),
    "less time to end than a worker's answers take": (
        {
            **STATE,
            "config": {"worker": {"queues": ["answers"]}},
            "worker": {"enabled": True, "terminationGracePeriodSeconds": 127},
        },
        "worker.terminationGracePeriodSeconds is 127, but a pod may drain for 130",
        "give more",
    ),
    "batches that are kept nowhere": ({"batch": {"enabled": True}}, "batch.enabled", "existingSecrets.state"),
    "batches that nobody looks after": (
        {**STATE, "batch": {"enabled": True}, "gateway": {"enabled": False}},
        "nobody would make the Jobs",
        "set gateway.enabled to true",
    ),
    "rights for every pod of a namespace": (
        {**STATE, "batch": {"enabled": True}, "serviceAccount": {"create": False}},
        "`default` is that of all pods",
        "serviceAccount.name",
    ),
    "less time to end than a batch's answers take": (
        {
            **STATE,
            "batch": {"enabled": True, "terminationGracePeriodSeconds": 60},
            "serviceAccount": {"create": True},
        },
        "batch.terminationGracePeriodSeconds is 60",
        "give more",
    ),
    "a worker without a place for documents": (
        {**WORK, "worker": {"enabled": True}, "gateway": {"enabled": False}, "retriever": {"enabled": False}},
        "A worker needs a place for documents",
        "config.vectors.url",
    ),
    "an evaluation without questions": (
        {"evaluation": {"schedule": "@weekly"}},
        "evaluation.golden.configMap",
        "name a ConfigMap",
    ),
    "backups without a place": ({"backup": {"enabled": True}}, "backup.claim", "name a claim"),
    "backups in two places": (
        {"backup": {"enabled": True, "claim": "backups", "bucket": "s3://vault/"}},
        "backup.bucket",
        "one of them",
    ),
    "backups of what another process holds": (
        {"backup": {"enabled": True, "claim": "backups", "schedule": "@daily"}, "retriever": {"enabled": True}},
        "the retriever owns the vectors",
        "config.vectors.url",
    ),
    "backups of what is not kept": (
        {
            "backup": {"enabled": True, "claim": "backups"},
            "retriever": {"enabled": True, "persistence": {"enabled": False}},
        },
        "the retriever keeps nothing",
        "retriever.persistence.enabled",
    ),
    "backups that cannot reach the state": (
        {
            **STATE,
            "networkPolicy": {"enabled": True, "extraEgress": {"gateway": [EGRESS]}},
            "backup": {"enabled": True, "claim": "backups"},
        },
        "existingSecrets.state",
        "networkPolicy.extraEgress.backup",
    ),
    "two schedules of a name": (
        {"ingestion": {"schedules": [{"name": "a", "schedule": "@daily", "places": ["https://a"]}] * 2}},
        "ingestion.schedules",
        '"a"',
    ),
    "a minimum above the maximum": (
        {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}}},
        "gateway.autoscaling.minReplicas is 5",
        "maxReplicas, which is 3",
    ),
    "a predictor's minimum above its maximum": (
        {"predictor": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}}},
        "predictor.autoscaling.minReplicas is 5",
        "must not be above",
    ),
    "two stores of documents": ({"retriever": {"replicaCount": 2}}, "More than one retriever", "config.vectors.url"),
    "a volume for each pod of a Deployment": (
        {"gateway": {"persistence": {"enabled": True}}},
        "gateway.persistence",
        "set gateway.kind to StatefulSet",
    ),
    "one volume for several pods": (
        {"gateway": {"replicaCount": 2, "persistence": {"enabled": True, "existingClaim": "c"}}},
        "existingClaim",
        "can't serve several pods",
    ),
    "two numbers of a disruption budget": (
        {"gateway": {"disruption": {"minAvailable": 1, "maxUnavailable": 1}}},
        "gateway.disruption",
        "leave the other empty",
    ),
    "less time to end than to drain": (
        {"gateway": {"terminationGracePeriodSeconds": 60}},
        "gateway.terminationGracePeriodSeconds is 60",
        "config.server.drain_timeout_s",
    ),
    "a 30B model on a GPU of 24 GB": (
        {
            "predictor": {
                "runtime": "tgi",
                "model": {"uri": "hf://Qwen/Qwen2.5-32B-Instruct"},
                "budget": {"gpuMemoryGB": 24, **LARGE},
            }
        },
        "hf://Qwen/Qwen2.5-32B-Instruct",
        "a larger GPU",
    ),
    "a model whose name says that it is larger": (
        {"predictor": {"runtime": "tgi", "model": {"uri": "hf://org/Model-30B:main"}, "budget": {"gpuMemoryGB": 24}}},
        "has 30 billion parameters",
        "take the profile",
    ),
    "a large model on a pool of small GPUs": (
        {
            "predictor": {
                "runtime": "tgi",
                "model": {"uri": "hf://org/Model-30B:main"},
                "budget": {"gpuMemoryGB": 80, "usableGB": 76, "maxConcurrentRequests": 8, **LARGE},
                "nodeSelector": {"tandem.dev/gpu-memory": "24Gi"},
            }
        },
        "predictor.nodeSelector",
        "choose the pool",
    ),
    "prompts that leave no room for an answer": (
        {
            "predictor": {
                "runtime": "tgi",
                "model": {"uri": "hf://o/m"},
                "budget": {"gpuMemoryGB": 24, "maxInputTokens": 8192},
            }
        },
        "maxInputTokens is 8192",
        "nothing is left for an answer",
    ),
    "all of a GPU": (
        {"predictor": {"runtime": "tgi", "model": {"uri": "hf://o/m"}, "budget": {"gpuMemoryGB": 24, "usableGB": 24}}},
        "usableGB is 24",
        "to the driver",
    ),
    "a model of the small engine elsewhere": (
        {"predictor": {"runtime": "tgi"}},
        'predictor.model.uri "extractive"',
        "give hf://",
    ),
    "a scheme that nobody knows": ({"predictor": {"model": {"uri": "ftp://a/b"}}}, '"ftp://a/b"', "give hf://"),
    "a hub's name that is not whole": (
        {"predictor": {"runtime": "tgi", "model": {"uri": "hf://llama"}}},
        '"hf://llama"',
        "hf://ORG/NAME:REVISION",
    ),
    "less time than TGI takes to end": (
        {"predictor": {"runtime": "tgi", "model": {"uri": "hf://o/m"}, "terminationGracePeriodSeconds": 30}},
        "predictor.terminationGracePeriodSeconds is 30",
        "give more",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_in_one_line(name: str) -> None:
    values, names, way_out = REFUSED[name]
    (line,) = refusal(values, SMALLEST)
    assert names in line
    assert way_out in line


def test_a_model_for_large_gpus_is_refused_under_the_profile_of_small_ones() -> None:
    large = {**OPEN, "predictor": {"model": {"uri": "hf://Qwen/Qwen2.5-32B-Instruct-GPTQ-Int8:main"}}}
    (line,) = refusal(large, CHART / "values-8b-a10g.yaml")
    assert "predictor.budget.weightsGB is 5.8" in line
    assert "take the profile that is made for it" in line


# Values that have no such key, or another type: what the schema's line must name.
MISTYPED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown key": ({"gateways": {}}, "at ''", "gateways"),
    "an unknown key of a workload": ({"gateway": {"replicas": 3}}, "/gateway", "replicas"),
    "an unknown key of the predictor": ({"predictor": {"modelUri": "x"}}, "/predictor", "modelUri"),
    "a typo in the configuration": ({"config": {"server": {"drain_timout_s": 3}}}, "/config/server", "drain_timout_s"),
    "a group that the configuration does not have": ({"config": {"retrievers": {}}}, "/config", "retrievers"),
    "a secret in the configuration": ({"config": {"vectors": {"api_key": "s3cret"}}}, "/config/vectors", "api_key"),
    "what the chart sets itself": ({"config": {"server": {"port": 9}}}, "/config/server", "port"),
    "text for a number": ({"gateway": {"replicaCount": "two"}}, "/gateway/replicaCount", "integer"),
    "a number for a switch": ({"retriever": {"enabled": 1}}, "/retriever/enabled", "boolean"),
    "less than nothing": ({"gateway": {"replicaCount": -1}}, "/gateway/replicaCount", "minimum"),
    "an engine that nobody has": ({"predictor": {"runtime": "ollama"}}, "/predictor/runtime", "one of"),
    "another kind of workload": ({"gateway": {"kind": "DaemonSet"}}, "/gateway/kind", "one of"),
    "no digest": ({"image": {"digest": "abc"}}, "/image/digest", "pattern"),
    "a quantity without its unit": (
        {"retriever": {"persistence": {"size": "ten"}}},
        "/retriever/persistence/size",
        "pattern",
    ),
    "a secret's value for its name": ({"existingSecrets": {"vectors": "s3cret"}}, "/existingSecrets/vectors", "object"),
    "a port beyond all": ({"gateway": {"service": {"port": 70000}}}, "/gateway/service/port", "maximum"),
    "no model": ({"predictor": {"model": {"uri": ""}}}, "/predictor/model/uri", "minLength"),
}


@pytest.mark.parametrize("name", MISTYPED)
def test_what_the_values_do_not_have_is_refused_by_its_name(name: str) -> None:
    values, where, what = MISTYPED[name]
    lines = refusal(values, SMALLEST)
    assert any(where in line and what in line for line in lines), lines
    assert len(lines) <= 3, lines
    assert not any("s3cret" in line for line in lines)


@pytest.mark.parametrize(
    ("missing", "values", "way_out"),
    [
        ("serving.kserve.io/v1beta1", {}, "predictor.external.url"),
        ("keda.sh/v1alpha1", {"gateway": {"autoscaling": {"enabled": True}}}, "take another type"),
        ("keda.sh/v1alpha1", {"predictor": {"autoscaling": {"enabled": True}}}, "or set it to false"),
        ("monitoring.coreos.com/v1", {"monitoring": {"rules": {"enabled": True}}}, "set them to false"),
        ("monitoring.coreos.com/v1", {"monitoring": {"podMonitor": {"enabled": True}}}, "set them to false"),
        (
            "gateway.networking.k8s.io/v1",
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}},
            "set it to false",
        ),
    ],
)
def test_a_kind_that_the_cluster_lacks_is_named_with_what_wants_it(
    missing: str, values: dict[str, Any], way_out: str
) -> None:
    group = missing.partition("/")[0]
    apis = tuple(api for api in APIS if not api.startswith(group))
    (line,) = refusal(values, SMALLEST, apis=apis)
    assert missing in line
    assert way_out in line
    assert "--api-versions" in line
    assert run(values, SMALLEST).returncode == 0, "and it is nothing else that is refused"


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_no_case_needs_an_api_that_it_does_not_use(case: Case) -> None:
    used = {one["apiVersion"] for one in rendered(case) if one["apiVersion"] in APIS}
    assert objects(*case.files, namespace=case.namespace, apis=tuple(sorted(used))) == rendered(case)
