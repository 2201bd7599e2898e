"""`tandem prompts`: what there is, what uses it, and what is different between two of them."""

import json
import subprocess
from pathlib import Path

import pytest

from component.deployments import TANDEM

OWN = "Answer in one sentence.\n--- user ---\n{{ passages }}\n\n{{ question }}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "prompts"
    (own / "rewrites").mkdir(parents=True)
    for version in (2, 10):
        (own / f"answer@{version}.jinja").write_text(OWN.replace("one", str(version)))
    (own / "rewrites" / "hyde@1.jinja").write_text("Write a passage.\n--- user ---\n{{ question }}\n")
    config = tmp_path / "tandem.yaml"
    config.write_text(f"prompts_dir: {own}\nprompt: answer@10\n")
    return tmp_path


def prompts(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command: list[str] = [str(TANDEM), "prompts", *words, "--config", str(folder / "tandem.yaml")]
    env = {"PATH": "/usr/bin", "COLUMNS": "200"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_all_are_listed_with_where_they_are_from_and_what_uses_them(folder: Path) -> None:
    done = prompts(folder, "list", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {each["name"]: each for each in json.loads(done.stdout)["data"]}
    assert [name for name in found if name.startswith("answer@")] == ["answer@1", "answer@2", "answer@10"]
    assert (found["answer@1"]["source"], found["answer@1"]["used_by"]) == ("shipped", [])
    mine = found["answer@10"]
    assert (mine["source"], mine["used_by"]) == (str(folder / "prompts/answer@10.jinja"), ["prompt"])
    hyde = found["hyde@1"]
    assert (hyde["purpose"], hyde["source"]) == ("searches", str(folder / "prompts/rewrites/hyde@1.jinja"))
    assert hyde["used_by"] == ["retrieval.expand.hyde_prompt"]
    table = prompts(folder, "list").stdout
    assert all(name in table for name in found)


def test_one_is_printed_as_it_is(folder: Path) -> None:
    assert prompts(folder, "show", "answer@2").stdout == OWN.replace("one", "2")
    told = json.loads(prompts(folder, "show", "answer@2", "-o", "json").stdout)
    assert (told["text"], told["used_by"]) == (OWN.replace("one", "2"), [])


def test_two_are_compared_by_lines(folder: Path) -> None:
    done = prompts(folder, "diff", "answer@2", "answer@10")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["--- answer@2", "+++ answer@10"]
    assert "-Answer in 2 sentence." in lines and "+Answer in 10 sentence." in lines
    assert prompts(folder, "diff", "answer@2", "answer@10", "--exit-code").returncode == 1
    same = prompts(folder, "diff", "answer@2", "answer@2", "--exit-code", "-o", "json")
    assert same.returncode == 0 and json.loads(same.stdout)["same"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "answer@9"), "There is no prompt 'answer@9'"),
        (("diff", "answer@1", "nope"), "There is no prompt 'nope'"),
        (("list", "--prompts-dir", "/nowhere"), "prompts_dir /nowhere is not a directory"),
    ],
)
def test_what_there_is_not_is_said_in_a_line(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = prompts(folder, *words)
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and "hint:" in done.stderr and "Traceback" not in done.stderr


def test_one_that_cannot_be_parsed_is_named(folder: Path) -> None:
    (folder / "prompts/answer@3.jinja").write_text("x\n--- user ---\n{{ question")
    done = prompts(folder, "list")
    assert done.returncode == 1 and "answer@3 cannot be parsed" in done.stderr
