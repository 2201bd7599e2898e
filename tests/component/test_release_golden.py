"""Golden questions from the command line to a gateway: one a call, and what is said when they cannot all be asked."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.live_http import Silent, live_http
from tandem.cli.main import main

RELEASE: dict[str, Any] = {
    "name": "spring", "prompt": "answer@2", "collection": None, "pools": [], "weight": 0.1, "mode": "canary",
    "state": "trying", "created_at": 1.0, "changed_at": 1.0, "replaced": "base", "reason": "", "by": "ann",
    "policy": {}, "golden": None,
}  # fmt: skip


class Gateway(Silent):
    """Takes what it is told, and has no time for the question `slow`."""

    told: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.told.append(body)
        if any(each["question"] == "slow" for each in body.get("questions", ())):
            error = {"message": "No time is left.", "type": "server_error", "code": "deadline_exceeded"}
            self.say(504, json.dumps({"error": error}).encode())
        else:
            self.say(200, json.dumps(RELEASE).encode())


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    told: list[dict[str, Any]] = []
    with live_http(type("Fresh", (Gateway,), {"told": told})) as url:
        yield url, told


def tandem(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tandem", "release", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def golden(folder: Path, *questions: str, **more: Any) -> str:
    path = folder / "golden.jsonl"
    lines = [json.dumps({"question": each, **(more or {"document_ids": ["a.md"]})}) for each in questions]
    path.write_text("\n".join(lines))
    return str(path)


def test_each_question_has_a_requests_time(
    gateway: tuple[str, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, told = gateway
    assert tandem(monkeypatch, "check", "spring", "--golden", golden(tmp_path, "a?", "b?", "c?"), "--url", url) == 0
    asked = [([each["question"] for each in body["questions"]], body["anew"], body["complete"]) for body in told]
    assert asked == [(["a?"], True, False), (["b?"], False, False), (["c?"], False, True)]


def test_a_release_whose_questions_were_not_all_asked_is_tried_all_the_same(
    gateway: tuple[str, list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, told = gateway
    words = ["create", "spring", "--prompt", "answer@2", "--golden", golden(tmp_path, "a?", "slow"), "--url", url]
    assert tandem(monkeypatch, *words, "-o", "json") == 1
    out, err = capsys.readouterr()
    assert out == "" and "spring is tried, but its golden questions were not all asked: The deadline passed" in err
    assert "tandem release check spring --golden" in err
    assert [len(body.get("questions", ())) for body in told] == [0, 1, 1]


def test_questions_that_nobody_can_answer_begin_nothing(
    gateway: tuple[str, list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, told = gateway
    path = golden(tmp_path, "who?", unanswerable=True)
    for words in (["create", "spring", "--prompt", "answer@2"], ["check", "spring"]):
        assert tandem(monkeypatch, *words, "--golden", path, "--url", url) == 1
        assert "has no question that a document answers" in capsys.readouterr().err
    assert told == []
