"""Which version of a model is to be tried, and which is left alone."""

from dataclasses import replace
from typing import Any

import pytest

from tandem.domain.model_version import ModelFile, ModelVersion
from tandem.platform.models.followed import Followed, Verdict
from tandem.platform.models.following import Standing, Trial, standing
from tandem.platform.models.kept import Deployed, Gate, Kept
from tandem.platform.models.services import Found

NEW = ModelVersion("llama", "hf://org/llama@main", "main", "v2", "hf://org/llama:v2", (ModelFile("m.safetensors", 10),))
SERVING: dict[str, Any] = {
    "metadata": {"name": "rag"},
    "spec": {
        "predictor": {
            "model": {"env": [{"name": "MODEL_ID", "value": "org/llama"}, {"name": "REVISION", "value": "v1"}]}
        }
    },
}
PASSED = Verdict("llama", "v2", "passed", 1.0, "q", gate=Gate(1.0, "groundedness", 0.9))
REFUSED = replace(PASSED, state="refused", why="too bad")


def candidate(model: str, version: str) -> dict[str, Any]:
    notes = {"tandem.dev/model": model, "tandem.dev/model-version": version}
    return {**SERVING, "metadata": {"name": "rag-candidate", "annotations": notes}}


def stands(
    verdicts: tuple[Verdict, ...] = (), beside: dict[str, Any] | None = None, trials: tuple[Trial, ...] = (), *,
    kept: Kept | None = None, pool: str | None = "next", questions: str = "q", again: bool = False,
) -> Standing:  # fmt: skip
    known = Kept(0, (Deployed(0, told=None),)) if kept is None else kept  # type: ignore[arg-type]
    return standing(
        NEW, Found(SERVING, beside), known, Followed(verdicts), trials, questions=questions, pool=pool, again=again
    )


def model(number: int, version: str) -> Deployed:
    return Deployed(number, told=None, model="llama", version=version)  # type: ignore[arg-type]


def test_what_nobody_has_seen_is_new() -> None:
    assert stands().state == "new"


def test_what_serves_or_served_is_not_tried() -> None:
    assert stands(kept=Kept(0, (model(0, "v2"),))).state == "serving"
    assert stands(kept=Kept(1, (model(0, "v2"), model(1, "v1")))).state == "served"
    assert stands(kept=Kept(1, (model(0, "v2"), model(1, "v1"))), again=True).state == "new"


@pytest.mark.parametrize(("revision", "state"), [("v1", "new"), ("v2", "serving")])
def test_what_helm_installed_is_known_by_what_its_engine_was_told(revision: str, state: str) -> None:
    env = [{"name": "MODEL_ID", "value": "org/llama"}, {"name": "REVISION", "value": revision}]
    serving = {**SERVING, "spec": {"predictor": {"model": {"env": [*env, {"name": "QUANTIZE", "value": "awq"}]}}}}
    kept = Kept(0, (Deployed(0, told=None),))  # type: ignore[arg-type]
    found = standing(NEW, Found(serving, None), kept, Followed(), (), questions="q", pool=None, again=False)
    assert found.state == state


def test_a_refusal_holds_for_its_questions() -> None:
    assert stands((REFUSED,)) == Standing("refused", "too bad", REFUSED)
    assert stands((REFUSED,), questions="others").state == "new"
    assert stands((REFUSED,), again=True).state == "new"
    of_people = replace(REFUSED, release="llama-v2")
    assert stands((of_people,), questions="others").state == "refused"


def test_what_passed_waits_for_its_release_or_for_people() -> None:
    assert stands((PASSED,), candidate("llama", "v2")).state == "passed"
    assert stands((PASSED,), candidate("llama", "v2"), questions="others").state == "new"
    assert stands((PASSED,)).state == "removed"


def test_one_that_was_interrupted_goes_on() -> None:
    assert stands((replace(PASSED, state="begun"),), candidate("llama", "v2")).state == "new"
    assert stands((replace(PASSED, state="begun"),)).state == "new"


@pytest.mark.parametrize(
    ("state", "release", "wanted"),
    [
        ("trying", "llama-v2", "trying"),
        ("promoting", "llama-v2", "trying"),
        ("serving", "llama-v2", "released"),
        ("trying", "by-hand", "busy"),
        ("serving", "by-hand", "busy"),
        ("rolled_back", "llama-v2", "lost"),
        ("retired", "llama-v2", "lost"),
        ("rolled_back", "by-hand", "passed"),
    ],
)
def test_nobody_changes_the_pods_that_answer_people(state: str, release: str, wanted: str) -> None:
    verdict = replace(PASSED, release="llama-v2")
    trial = Trial(release, state, ("next",), "why")
    assert stands((verdict,), candidate("llama", "v2"), (trial,)).state == wanted
    # Not even when it is asked for again.
    if wanted in ("trying", "released", "busy"):
        assert stands((verdict,), candidate("llama", "v2"), (trial,), again=True).state == wanted


def test_a_release_without_the_pool_is_in_nobodys_way() -> None:
    assert stands(trials=(Trial("prompts", "trying", ()), Trial("other", "serving", ("gpu",)))).state == "new"


def test_only_a_candidate_that_was_followed_gives_way() -> None:
    older = replace(PASSED, version="v1.5")
    assert stands((older,), candidate("llama", "v1.5")).state == "new"
    assert stands((), candidate("llama", "v1.5")).state == "busy"
    assert stands((replace(older, model="other"),), candidate("other", "v1.5")).state == "busy"
    # Without a gateway nobody knows whether it is still tried.
    assert stands((replace(older, release="llama-v1.5"),), candidate("llama", "v1.5"), pool=None).state == "busy"


def test_a_verdict_goes_in_place_of_an_earlier_one() -> None:
    known = Followed((PASSED, replace(PASSED, version="v3"))).put(REFUSED)
    assert [(each.version, each.state) for each in known.verdicts] == [("v3", "passed"), ("v2", "refused")]
