"""Everything that the chart renders: accepted by every Kubernetes version, told apart by labels, the same each time."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.kinds import VERSIONS, problems
from charts.pods import pods
from charts.programs import output, program
from charts.rendering import APIS, CHART, ROOT, Case, Object, arguments, cases, objects, rendered, run, text

CASES = list(cases())
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
}
# KServe copies an InferenceService's labels to its pods, so the predictor's objects have none that a new version changes.
VERSIONED = {"app.kubernetes.io/version", "helm.sh/chart"}
SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


@each_case
def test_helm_finds_nothing_to_complain_of(case: Case) -> None:
    files = [word for file in case.files for word in ("-f", str(file))]
    output(program("helm"), "lint", "--strict", "--quiet", "--kube-version", "1.34.0", str(CHART), *files)


@each_case
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_accepted_by(version: str, case: Case) -> None:
    assert [told for one in rendered(case) for told in problems(one, version)] == []


@pytest.mark.parametrize("version", [*VERSIONS, "1.40"])
def test_the_chart_renders_the_same_for_every_kubernetes_version(version: str) -> None:
    case = next(case for case in CASES if case.name == "ci/everything")
    assert output(*arguments(*case.files, version=f"{version}.0")) == text(*case.files)


def test_a_kubernetes_before_1_30_is_refused() -> None:
    done = run({}, CHART / "ci/smallest-values.yaml", unchecked=True, version="1.29.0")
    assert "chart requires kubeVersion: >=1.30.0-0" in done.stderr


@each_case
def test_rendering_is_repeatable(case: Case) -> None:
    again = output(*arguments(*case.files, namespace=case.namespace))
    assert again == text(*case.files, namespace=case.namespace)


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML readers take either."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{node.start_mark}: {sorted(keys)}"
        return super().construct_mapping(node, deep)


@each_case
def test_no_key_stands_twice(case: Case) -> None:
    list(yaml.load_all(text(*case.files, namespace=case.namespace), Loader=_Once))


@each_case
def test_no_two_objects_have_one_name_and_all_lie_in_the_namespace_of_the_release(case: Case) -> None:
    found = [(one["kind"], one["metadata"]["name"]) for one in rendered(case)]
    assert len(set(found)) == len(found) > 0
    assert {one["metadata"].get("namespace", case.namespace) for one in rendered(case)} == {case.namespace}


@each_case
def test_every_name_begins_with_the_release(case: Case) -> None:
    (prefix,) = {
        one["metadata"]["name"].removesuffix("-config")
        for one in rendered(case)
        if one["kind"] == "ConfigMap" and "tandem.yaml" in one["data"]
    }
    others = [one["metadata"]["name"] for one in rendered(case) if not one["metadata"]["name"].startswith(prefix)]
    assert set(others) <= {"house"}, "only an account that was named"


@each_case
def test_every_object_has_the_labels_of_the_release(case: Case) -> None:
    lacking = {
        f"{one['kind']}/{one['metadata']['name']}": lacks
        for one in rendered(case)
        if (lacks := _wanted(one) - one["metadata"]["labels"].keys())
    }
    assert lacking == {}
    (instance,) = {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in rendered(case)}
    assert instance == "tandem"


def _wanted(one: Object) -> set[str]:
    predictor = one["metadata"]["labels"].get("app.kubernetes.io/component") == "predictor"
    return LABELS if predictor else LABELS | VERSIONED


@each_case
def test_every_pod_has_the_labels_that_it_is_found_by_and_none_that_change_with_the_version(case: Case) -> None:
    for pod in pods(rendered(case)):
        assert pod.labels.keys() >= SELECTOR, pod.name
        if pod.serves:
            assert not VERSIONED & pod.labels.keys(), pod.name


@each_case
def test_common_labels_are_on_everything(case: Case) -> None:
    how: dict[str, Any] = {"values": {"commonLabels": {"example.com/owner": "us"}}, "namespace": case.namespace}
    found = objects(*case.files, **how)
    bare = [one["metadata"]["name"] for one in found if one["metadata"]["labels"].get("example.com/owner") != "us"]
    bare += [pod.name for pod in pods(found) if pod.labels.get("example.com/owner") != "us"]
    assert bare == []


@each_case
def test_selectors_hold_what_never_changes(case: Case) -> None:
    changed = objects(
        *case.files,
        values={"commonLabels": {"example.com/a": "b"}, "gateway": {"podLabels": {"c": "d"}}, "image": {"tag": "9.8"}},
        namespace=case.namespace,
    )
    for before, after in zip(rendered(case), changed, strict=True):
        if before["kind"] in {"Deployment", "StatefulSet"}:
            assert before["spec"]["selector"] == after["spec"]["selector"]
            assert before["spec"]["selector"]["matchLabels"].keys() == SELECTOR


def test_two_releases_share_no_object_and_no_pod() -> None:
    files = (CHART / "ci/keys-values.yaml",)
    one, other = objects(*files, release="a"), objects(*files, release="b")
    names = [{(each["kind"], each["metadata"]["name"]) for each in found} for found in (one, other)]
    assert not names[0] & names[1]
    for mine in pods(one):
        assert not any(mine.labels.items() <= theirs.labels.items() for theirs in pods(other))


def test_long_names_stay_within_what_kubernetes_takes() -> None:
    for release in ("a" * 53, "tandem-" + "b" * 46):
        for one in objects(CHART / "ci/keys-values.yaml", release=release):
            assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", one["metadata"]["name"])
            assert len(one["metadata"]["name"]) <= (52 if one["kind"] in {"StatefulSet", "InferenceService"} else 63)


def test_the_cases_ask_for_every_kind_that_a_schema_is_there_for() -> None:
    found = {one["kind"] for case in CASES for one in rendered(case)}
    schemas = {path.stem for path in (Path(__file__).parent / "schemas").glob("*.json")}
    assert {kind.lower() for kind in found} >= schemas
    assert {one["apiVersion"] for case in CASES for one in rendered(case)} >= set(APIS)


def test_what_a_release_keeps_of_the_chart_fits_into_its_secret(tmp_path: Path) -> None:
    output(program("helm"), "package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    listing = output("tar", "-tzf", str(package)).splitlines()
    assert not [name for name in listing if name.startswith(("tandem/ci/", "tandem/examples/"))]
    assert package.stat().st_size < 200_000, "a Secret takes 1 MB, of chart, values and manifest together"


@pytest.mark.parametrize("profile", sorted(CHART.glob("values-*.yaml")), ids=lambda path: path.stem)
def test_a_hardware_profile_needs_nothing_but_a_word_about_keys(profile: Path) -> None:
    assert objects(profile, values={"config": {"server": {"allow_unauthenticated": True}}})
    assert profile.is_relative_to(ROOT)
