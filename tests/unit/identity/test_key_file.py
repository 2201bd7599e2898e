"""A file of keys that changes while it is read: as a file, as a mounted Secret, broken, and gone."""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tandem.adapters.identity.key_file import KeyFile
from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import ConfigurationError


class Meter:
    def __init__(self) -> None:
        self.good: list[bool] = []

    def keys_file(self, *, good: bool) -> None:
        self.good.append(good)


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def yaml_of(*secrets: str) -> str:
    return "keys:\n" + "".join(
        f"  - name: {secret}\n    sha256: {sha256(secret)}\n    tenant: t\n" for secret in secrets
    )


@asynccontextmanager
async def watched(path: Path, ring: KeyRing, meter: Meter) -> AsyncIterator[None]:
    file = KeyFile(path, ring, meter, poll_s=0.01)
    await file.load()
    watching = asyncio.create_task(file.watch())
    try:
        yield
        assert not watching.done()
    finally:
        watching.cancel()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_keys_are_given_and_taken_back_without_a_restart(tmp_path: Path) -> None:
    path, ring, meter = tmp_path / "keys.yaml", KeyRing([Key("fixed", sha256("fixed"))]), Meter()
    path.write_text(yaml_of("one"))
    async with watched(path, ring, meter):
        assert ring.find("one") == Key("one", sha256("one"), "t")
        path.write_text(yaml_of("two", "three"))
        await until(lambda: ring.find("three"))
        assert ring.find("one") is None
        path.write_text(json.dumps({"keys": [{"name": "peer", "sha256": sha256("four"), "peer": True}]}))
        await until(lambda: ring.find("four"))
        path.write_text("keys: []")
        await until(lambda: ring.find("four") is None)
        assert ring.find("fixed")
    assert set(meter.good) == {True}


async def test_a_mounted_secret_changes_by_a_link(tmp_path: Path) -> None:
    # As the kubelet does: keys.yaml → ..data/keys.yaml, ..data → a folder that is put in the place of the one before.
    def publish(version: str, *secrets: str) -> None:
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys.yaml").write_text(yaml_of(*secrets))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("..2026_1", "one")
    path = tmp_path / "keys.yaml"
    path.symlink_to("..data/keys.yaml")
    ring = KeyRing()
    async with watched(path, ring, Meter()):
        publish("..2026_2", "two")
        await until(lambda: ring.find("two"))
        assert ring.find("one") is None


BROKEN = {
    "empty": "",
    "no mapping": "- one",
    "no keys": "key: []",
    "not YAML": "keys: [",
    "not text": "\0\1",
    "unknown field": "keys: [{name: a, sha256: " + sha256("a") + ", role: admin}]",
    "a key in the clear": "keys: [{name: a, sha256: sk-secret}]",
    "not a name": "keys: [{name: a, sha256: " + sha256("a") + ", tenant: A/B}]",
    "twice": yaml_of("two", "two"),
    "runs code": "keys: !!python/object/apply:os.system [true]",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_keeps_the_keys_and_says_so_once(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, ring, meter = tmp_path / "keys.yaml", KeyRing(), Meter()
    path.write_text(yaml_of("one"))
    async with watched(path, ring, meter):
        path.write_text(BROKEN[name])
        await until(lambda: meter.good[-1] is False)
        await asyncio.sleep(0.05)
        assert ring.find("one")
        assert meter.good == [True, False]
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1
        assert "sk-secret" not in errors[0]
        path.write_text(yaml_of("mended"))
        await until(lambda: ring.find("mended"))
        assert meter.good == [True, False, True]


async def test_a_file_that_is_gone_keeps_the_keys(tmp_path: Path) -> None:
    path, ring, meter = tmp_path / "keys.yaml", KeyRing(), Meter()
    path.write_text(yaml_of("one"))
    async with watched(path, ring, meter):
        path.unlink()
        await until(lambda: meter.good[-1] is False)
        assert ring.find("one")
        path.write_text(yaml_of("two"))
        await until(lambda: ring.find("two"))


@pytest.mark.parametrize("name", BROKEN)
async def test_a_process_does_not_start_with_a_broken_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(BROKEN[name])
    with pytest.raises(ConfigurationError) as refused:
        await KeyFile(path, KeyRing(), Meter()).load()
    assert "sk-secret" not in refused.value.message


async def test_a_process_does_not_start_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        await KeyFile(tmp_path / "missing", KeyRing(), Meter()).load()
    with pytest.raises(ConfigurationError, match="directory"):
        await KeyFile(tmp_path, KeyRing(), Meter()).load()


async def test_a_key_s_groups_and_its_admin_mark(tmp_path: Path) -> None:
    path, ring = tmp_path / "keys.yaml", KeyRing()
    path.write_text(yaml_of("one") + '    groups: [hr, "Domain Users", "*"]\n    admin: true\n')
    await KeyFile(path, ring, Meter()).load()
    assert ring.find("one") == Key("one", sha256("one"), "t", groups=("hr", "Domain Users", "*"), admin=True)


@pytest.mark.parametrize(
    "groups", ["hr", "7", "[7]", "['']", "[' hr']", '["h\\u200br"]', "[" + "x" * 129 + "]", str(list(range(3)))]
)
async def test_groups_that_cannot_be_are_told(tmp_path: Path, groups: str) -> None:
    path, ring = tmp_path / "keys.yaml", KeyRing()
    path.write_text(yaml_of("one") + f"    groups: {groups}\n")
    with pytest.raises(ConfigurationError, match="groups"):
        await KeyFile(path, ring, Meter()).load()
    assert ring.find("one") is None
