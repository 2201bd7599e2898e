"""Two people at the models of one release at the same time, against a real API server."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from component import test_models_command
from component.test_models_command import TUNED, Place, environment, measured
from tandem.domain.errors import VersionConflict
from tandem.platform.models.kept import candidate_version, kept_of
from tandem.platform.models.promoting import locked, promote, rollback
from tandem.platform.models.services import find, remove

server, hub, place = test_models_command.server, test_models_command.hub, test_models_command.place


def test_of_two_promotions_at_once_one_is_told(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    found = find(place.cluster, "tandem")
    assert found.candidate is not None
    entry = candidate_version(found.candidate)

    def let(at: Any) -> Any:
        return promote(place.cluster, at, entry, at_s=1.0, now="now", dry_run=False, take_over=True)

    let(found)
    with pytest.raises(VersionConflict) as told:
        let(found)
    assert told.value.hint

    back(place)
    stored = place.service()

    def late(now: Any) -> Any:
        let(find(place.cluster, "tandem"))
        back(place)
        return let(now)

    with pytest.raises(VersionConflict):
        locked(place.cluster, "tandem", find(place.cluster, "tandem"), late)
    assert place.service()["spec"] == stored["spec"]


def back(place: Place) -> None:
    rollback(place.cluster, find(place.cluster, "tandem"), at_s=2.0, now="then", dry_run=False, take_over=True)


def test_a_promotion_that_was_broken_off_goes_on(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    again = ["promote", "quantized", *measured(place, TUNED, 0.9), "--take-over", "--timeout", "0"]
    assert place.tandem(*again, "--keep-candidate").returncode == 0
    generation = place.service()["metadata"]["generation"]
    done = place.tandem(*again)
    assert (done.returncode, "tandem is so already." in done.stderr) == (0, True), done.stderr
    assert (place.service()["metadata"]["generation"], place.names()) == (generation, ["tandem"])
    # There is one way back: to the model that was there before.
    assert place.tandem("rollback", "--timeout", "0").stdout == "what Helm installed serves now.\n"


def test_a_status_is_no_promotion(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    tries: list[int] = []

    def work(found: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            place.status("tandem")
        assert found.candidate is not None
        entry = candidate_version(found.candidate)
        return promote(place.cluster, found, entry, at_s=1.0, now="now", dry_run=False, take_over=True)

    written = locked(place.cluster, "tandem", find(place.cluster, "tandem"), work)
    assert (len(tries), kept_of(written.stored).current) == (2, 1)


def between(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen while the next command waits for the context's name to be typed."""

    def asked(*_: object, **__: object) -> None:
        patch.undo()
        act()

    patch.setattr("tandem.cli.models_cluster.confirm", asked)


def test_who_promoted_while_another_was_asked_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    again = ["promote", "quantized", *measured(place, TUNED, 0.9), "--take-over", "--timeout", "0"]

    def first() -> None:
        done = place.tandem(*again)
        assert done.returncode == 0, done.stderr
        assert place.tandem("deploy", "other", "--timeout", "0").returncode == 0

    between(monkeypatch, first)
    second = place.tandem(*again)
    assert (second.returncode, "was changed by somebody else meanwhile" in second.stderr) == (1, True), second.stderr
    assert place.names() == ["tandem", "tandem-candidate"]
    between(monkeypatch, lambda: place.tandem("rollback", "--timeout", "0"))
    assert "was changed by somebody else meanwhile" in place.tandem("rollback", "--timeout", "0").stderr
    assert kept_of(place.service()).current == 0


def test_a_newer_candidate_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    old = place.service("tandem-candidate")
    place.status("tandem-candidate")
    assert remove(place.cluster, old), "a status makes no other one of it"
    assert remove(place.cluster, old), "what is gone is removed"
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    between(monkeypatch, lambda: place.tandem("deploy", "other", "--timeout", "0"))
    done = place.tandem("promote", "quantized", *measured(place, TUNED, 0.9), "--take-over", "--timeout", "0")
    assert (done.returncode, "Another candidate was deployed meanwhile" in done.stderr) == (0, True), done.stderr
    assert environment(place.service())["MODEL_ID"] == "org/tuned"
    assert environment(place.service("tandem-candidate"))["MODEL_ID"] == "org/other"


def test_a_model_that_helm_put_there_serves_from_then_on(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    entry = candidate_version(place.service("tandem-candidate"))
    promote(place.cluster, find(place.cluster, "tandem"), entry, at_s=10.0, now="then", dry_run=False, take_over=True)
    env = [{"name": "MODEL_ID", "value": "org/third"}]
    began_s = int(time.time())
    place.helm({"spec": {"predictor": {"model": {"env": env}}}})
    place.status("tandem")
    kept = kept_of(place.service())
    served = [kept.at(when) for when in (5.0, 15.0, began_s - 1.0, time.time())]
    assert [each and each.told.env["MODEL_ID"] for each in served][1:] == ["org/tuned", "org/tuned", "org/third"]
    assert served[3] is not None
    assert (served[3].name, served[3].at >= began_s) == ("what Helm installed", True)
