"""scripts/image before builders that write down how they are called; a real one builds in .ci/run."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "image"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
DIGEST = "sha256:" + "0123456789abcdef" * 4
# What the script itself needs; everything else on the machine is out of its sight.
_TOOLS = ("bash", "cat", "dirname", "git", "mktemp", "rm", "sed")
_BUILDER = """#!{python}
import json, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if arguments == ["info"]:
    sys.exit(f"BROKEN_{{name}}" in os.environ)
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([name, *arguments]) + "\\n")
if "--digestfile" in arguments:
    open(arguments[arguments.index("--digestfile") + 1], "w").write("{digest}")
if arguments[:2] == ["image", "inspect"]:
    print("registry.example/some@{digest}")
"""


class Machine:
    def __init__(self, folder: Path, *builders: str) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._calls = folder / "calls"
        for tool in _TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        for name in builders:
            fake = self.bin / name
            fake.write_text(_BUILDER.format(python=sys.executable, digest=DIGEST))
            fake.chmod(0o755)

    def image(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.bin / "bash"), str(SCRIPT), *arguments],
            env={"PATH": str(self.bin), "CALLS": str(self._calls), "HOME": os.environ.get("HOME", "/"), **env},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._calls.read_text(encoding="utf-8").splitlines()]


def argument(call: list[str], name: str) -> str:
    return next(value for value in call if value.startswith(name)).removeprefix(name)


def test_it_fits_a_screen_and_explains_itself(tmp_path: Path) -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 30
    told = Machine(tmp_path).image("--help")
    assert (told.returncode, told.stderr) == (0, "")
    for option in ("--tag", "--variant", "--base", "--output", "--push"):
        assert option in told.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--variant", "tiny"), "There is no variant tiny."),
        (("--tag",), "--tag needs a value."),
        (("--tga", "x"), "There is no option --tga."),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    refused = Machine(tmp_path, "docker").image(*arguments)
    assert refused.returncode == 2
    assert refused.stderr == f"error: {why} See scripts/image --help.\n"


def test_without_a_builder_that_works_it_says_what_to_install(tmp_path: Path) -> None:
    refused = Machine(tmp_path, "docker").image(BROKEN_docker="1")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "apt-get install buildah" in refused.stderr


@pytest.mark.parametrize(
    ("broken", "builder"), [((), "docker"), (("docker",), "buildah"), (("docker", "buildah"), "podman")]
)
def test_the_first_builder_that_works_builds(tmp_path: Path, broken: tuple[str, ...], builder: str) -> None:
    machine = Machine(tmp_path, "docker", "buildah", "podman")
    made = machine.image(**{f"BROKEN_{name}": "1" for name in broken})
    assert made.returncode == 0, made.stderr
    (call,) = machine.calls()
    assert call[:2] == [builder, "build"]
    assert argument(call, "ghcr.io/") == f"tandem-rag/tandem:{VERSION}"
    assert argument(call, "VARIANT=") == "plain"
    assert argument(call, "VERSION=") == VERSION
    # Without layers of their own every image would bring all packages anew.
    assert ("--layers" in call) == (builder != "docker")
    assert call[-1] == str(ROOT)


def test_the_small_variant_has_a_name_of_its_own(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "buildah")
    machine.image("--variant", "small", "--base", "registry.example/python:3.12", "--", "--no-cache")
    (call,) = machine.calls()
    assert argument(call, "ghcr.io/") == f"tandem-rag/tandem:{VERSION}-small"
    assert argument(call, "VARIANT=") == "small"
    assert argument(call, "BASE=") == "registry.example/python:3.12"
    assert "--no-cache" in call


def test_an_index_and_its_certificates_are_secrets_of_the_build(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "docker")
    machine.image(UV_CONFIG_FILE="/etc/own index/uv.toml", SSL_CERT_FILE="/etc/own.crt")
    (call,) = machine.calls()
    assert "id=uv,src=/etc/own index/uv.toml" in call
    assert "id=ca,src=/etc/own.crt" in call
    assert not [value for value in call if value.startswith(("UV_", "SSL_"))]


@pytest.mark.parametrize(
    ("builder", "saving"),
    [
        ("docker", ["docker", "save", "-o", "x.tar", "r.example/t:1"]),
        ("buildah", ["buildah", "push", "-q", "r.example/t:1", "oci-archive:x.tar:r.example/t:1"]),
        ("podman", ["podman", "push", "-q", "r.example/t:1", "oci-archive:x.tar:r.example/t:1"]),
    ],
)
def test_an_archive_bears_the_name(tmp_path: Path, builder: str, saving: list[str]) -> None:
    machine = Machine(tmp_path, builder)
    machine.image("--tag", "r.example/t:1", "--output", "x.tar")
    assert machine.calls()[1] == saving


@pytest.mark.parametrize("builder", ["docker", "buildah", "podman"])
@pytest.mark.parametrize("tag", ["", ":7"])
def test_what_was_pushed_is_told_by_its_digest(tmp_path: Path, builder: str, tag: str) -> None:
    machine = Machine(tmp_path, builder)
    pushed = machine.image("--tag", f"registry.example:443/tandem{tag}", "--push")
    assert pushed.stdout.splitlines()[-1] == f"registry.example:443/tandem@{DIGEST}"
