"""What follows the registry: a CronJob for each model, by an account that may touch nothing that serves."""

import json
from typing import Any

import pytest
import yaml

from charts.rendering import CHART, Object, callers, objects, only, run
from tandem.app.settings import Settings

VALUES = CHART / "ci/followed-values.yaml"
LONG = "an.own-model-with-quite-a-long-name"


def made(kind: str, name: str, **values: Any) -> Object:
    return only(kind, name, VALUES, **values)


def pod(job: Object) -> Object:
    found: Object = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def test_nothing_of_it_is_there_unless_models_are_followed() -> None:
    none = {"follow": {"models": []}, "existingSecrets": {"follow": {"name": ""}}}
    names = [each["metadata"]["name"] for each in objects(VALUES, values=none)]
    assert not [name for name in names if "follow" in name]


def test_a_model_is_followed_as_the_values_say() -> None:
    job = made("CronJob", "follow-llama")
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (
        "*/15 * * * *",
        "Europe/Berlin",
        "Forbid",
    )
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    (container,) = pod(job)["containers"]
    assert container["args"] == [
        "models", "follow", "llama", "--config", "/etc/tandem/tandem.yaml", "--release", "tandem", "--namespace", "rag",
        "--pool", "next", "--url", "http://tandem-gateway:80", "--weight", "0.05", "--mode", "shadow", "--manual",
        "--output", "json",
    ]  # fmt: skip
    assert container["image"] == "registry.example.com/tandem-platform:9.9"
    env = {each["name"]: each for each in container["env"]}
    assert env["TANDEM_API_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "chief", "key": "api-key"}
    assert env["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "hub", "key": "token"}
    # What answers people needs more than what measures.
    assert not env.keys() & {"TANDEM_STATE__URL", "TANDEM_PRIVACY__USER_KEY", "TANDEM_AUTH__KEYS_FILE"}
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/etc/tandem-golden", "/var/run/secrets/kubernetes.io/serviceaccount"} <= mounts


def test_without_a_pool_it_stays_at_the_gate() -> None:
    (found,) = [each for each in objects(VALUES) if each["kind"] == "CronJob" and "an-own" in each["metadata"]["name"]]
    assert len(found["metadata"]["name"]) <= 52
    assert not {"--url", "--pool"} & set(pod(found)["containers"][0]["args"])


def test_a_long_name_stays_one_that_kubernetes_takes() -> None:
    values = {
        "fullnameOverride": "a" * 40,
        "config": {"pools": []},
        "follow": {"models": [{"name": LONG, "schedule": "@daily"}]},
    }
    (found,) = [each for each in objects(VALUES, values=values) if each["kind"] == "CronJob"]
    assert len(found["metadata"]["name"]) == 52


def test_its_account_may_touch_the_candidate_alone() -> None:
    role, binding = made("Role", "follow"), made("RoleBinding", "follow")
    for rule in role["rules"]:
        if {"patch", "delete", "update"} & set(rule["verbs"]):
            assert rule["resourceNames"] in (["tandem-candidate"], ["tandem-followed", "tandem-models"])
        assert "secrets" not in rule["resources"] and "*" not in [*rule["resources"], *rule["verbs"]]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "tandem-follow", "namespace": "rag"}]
    accounts = {each["metadata"]["name"]: each for each in objects(VALUES) if each["kind"] == "ServiceAccount"}
    assert accounts["tandem-follow"]["metadata"]["annotations"] == {"example.com/role": "reader"}
    for job in (each for each in objects(VALUES) if each["kind"] == "CronJob"):
        assert (pod(job)["serviceAccountName"], pod(job)["automountServiceAccountToken"]) == ("tandem-follow", False)
    gateway = made("Deployment", "gateway")["spec"]["template"]["spec"]
    assert gateway["serviceAccountName"] == "tandem"
    assert "serviceaccount" not in json.dumps(without_hooks("Deployment", "gateway"))


def without_hooks(kind: str, name: str) -> Object:
    return made(kind, name, existingSecrets={"follow": {"name": ""}})


def test_gateways_begin_jobs_of_these_cronjobs_and_touch_nothing_else() -> None:
    role = made("Role", "hooks")
    jobs = [each["metadata"]["name"] for each in objects(VALUES) if each["kind"] == "CronJob"]
    assert role["rules"] == [
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "resourceNames": jobs, "verbs": ["get"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "create"]},
    ]
    assert made("RoleBinding", "hooks")["subjects"][0]["name"] == "tandem"
    (container,) = made("Deployment", "gateway")["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each for each in container["env"]}
    assert env["TANDEM_FOLLOW__SECRET"]["valueFrom"]["secretKeyRef"] == {"name": "hooks", "key": "secret"}
    assert json.loads(env["TANDEM_FOLLOW__CRONJOBS"]["value"]) == {"llama": jobs[0], LONG: jobs[1]}
    assert "6443" in json.dumps(made("NetworkPolicy", "gateway")["spec"]["egress"])
    for job in (each for each in objects(VALUES) if each["kind"] == "CronJob"):
        labels = job["spec"]["jobTemplate"]["metadata"]["labels"]
        assert labels["tandem.dev/follow"] == job["metadata"]["name"]


def test_without_a_secret_gateways_have_no_rights() -> None:
    values = {"existingSecrets": {"follow": {"name": ""}}}
    assert not [each for each in objects(VALUES, values=values) if each["metadata"]["name"] == "tandem-hooks"]
    assert "6443" not in json.dumps(without_hooks("NetworkPolicy", "gateway")["spec"]["egress"])
    assert "TANDEM_FOLLOW" not in json.dumps(without_hooks("Deployment", "gateway"))


def test_it_reaches_models_registry_store_gateway_and_api_server() -> None:
    egress = json.dumps(made("NetworkPolicy", "follow")["spec"]["egress"])
    for wanted in ('"tandem-candidate"', '"gateway"', '"qdrant"', '"registry"', "6443", "5000", "5001"):
        assert wanted in egress
    assert made("NetworkPolicy", "follow")["spec"]["ingress"] == []
    (rule, *_) = made("NetworkPolicy", "predictor")["spec"]["ingress"]
    (who,) = rule["from"][0]["podSelector"]["matchExpressions"]
    assert who["values"] == ["gateway", "follow"]
    own = {
        "retriever": {"enabled": True},
        "config": {"vectors": None},
        "existingSecrets": {"retriever": {"name": "gateway"}},
    }
    assert "follow" in callers(made("NetworkPolicy", "retriever", **own))


def test_a_candidate_is_under_the_predictors_policy() -> None:
    (chosen, _) = made("NetworkPolicy", "predictor")["spec"]["podSelector"]["matchExpressions"]
    assert chosen["values"] == ["tandem", "tandem-candidate"]


def test_the_configuration_knows_the_models() -> None:
    (config,) = [each for each in objects(VALUES) if each["metadata"]["name"] == "tandem-config"]
    settings = Settings.model_validate(yaml.safe_load(config["data"]["tandem.yaml"]))
    assert set(settings.models) == {"llama", LONG}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"follow": {"models": [{"name": "none", "schedule": "@daily"}]}}, 'there is no model "none"'),
        (
            {"follow": {"models": [{"name": "llama", "schedule": "@daily", "pool": "moon"}]}},
            "tandem-candidate-predictor.rag.svc",
        ),
        (
            {"follow": {"models": [{"name": "llama", "schedule": "@daily"}] * 2}},
            'Two of follow.models have the name "llama"',
        ),
        ({"follow": {"models": []}}, "existingSecrets.follow is set, but no model is followed"),
        ({"follow": {"golden": {"configMap": ""}}}, "follow.golden.configMap is empty"),
        ({"follow": {"image": {"repository": ""}}}, "EXTRA=platform"),
        ({"config": {"models": {"llama": {"gate": {"golden": None}}}}}, 'nothing says what "llama" is measured by'),
        ({"follow": {"models": [{"name": "llama", "schedule": "@daily", "weight": 2}]}}, "weight"),
        ({"predictor": {"enabled": False}}, "there is no predictor to run a candidate beside"),
    ],
)
def test_what_cannot_work_is_refused(values: Object, said: str) -> None:
    done = run(values, CHART / "values-8b-a10g.yaml", VALUES)
    assert done.returncode != 0
    assert said in done.stderr
