"""A whole process that knows its callers by tokens and by a file of keys, and tells wrong settings before it starts."""

import asyncio
import hashlib
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from component.deployments import Process, start, stop
from fakes.identity_provider import identity_provider
from tandem.app.settings import load_settings
from tandem.domain.errors import ConfigurationError

pytestmark = pytest.mark.component


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def status(process: Process, bearer: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{process.url}/v1/models", headers={"authorization": f"Bearer {bearer}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"].get("hint", "")


async def test_tokens_and_keys_get_in_and_nobody_else(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(json.dumps({"keys": [{"name": "ci", "sha256": sha256("ci-key"), "tenant": "acme"}]}))
    async with identity_provider() as provider:
        provider.make("one")
        env = {
            "TANDEM_AUTH__MODE": "jwt",
            "TANDEM_AUTH__KEYS_FILE": str(keys),
            "TANDEM_AUTH__KEYS_POLL_S": "0.1",
            "TANDEM_AUTH__JWT__JWKS_URL": provider.url,
            "TANDEM_AUTH__JWT__AUDIENCE": "tandem",
            "TANDEM_AUTH__JWT__ISSUER": "https://id.test",
        }
        process = await asyncio.to_thread(start, "all", tmp_path, env)
        try:
            assert await asyncio.to_thread(status, process, provider.sign()) == (200, "")
            assert await asyncio.to_thread(status, process, "ci-key") == (200, "")
            for refused in (provider.sign(exp=int(time.time()) - 3600), provider.sign(tenant=None), "stranger"):
                code, hint = await asyncio.to_thread(status, process, refused)
                assert code == 401
                assert hint
            keys.write_text(json.dumps({"keys": [{"name": "ci", "sha256": sha256("new-key"), "tenant": "acme"}]}))
            async with asyncio.timeout(20):
                while (await asyncio.to_thread(status, process, "new-key"))[0] != 200:
                    await asyncio.sleep(0.05)
            assert (await asyncio.to_thread(status, process, "ci-key"))[0] == 401
        finally:
            await asyncio.to_thread(stop, process)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"auth": {"mode": "keys"}}, "no auth.keys_file"),
        ({"auth": {"mode": "jwt"}}, "auth.jwt is missing"),
        ({"auth": {"mode": "jwt", "jwt": {"jwks_url": "id.test", "audience": "tandem"}}}, "jwks_url"),
        (
            {"auth": {"jwt": {"jwks_url": "https://id.test", "audience": "tandem", "algorithms": ["HS256"]}}},
            "algorithms",
        ),
        (
            {"auth": {"jwt": {"jwks_url": "https://id.test", "audience": "tandem", "algorithms": ["none"]}}},
            "algorithms",
        ),
        ({"auth": {"jwt": {"jwks_url": "https://id.test", "audience": ""}}}, "audience"),
        ({"auth": {"mode": "keys", "keys": [{"name": "a", "sha256": "0" * 64, "groups": [" hr"]}]}}, "groups"),
        ({"auth": {"mode": "keys", "keys_file": "k", "anonymous_groups": ["hr"]}}, "anonymous_groups"),
        ({"auth": {"anonymous_groups": ["h\u200br"]}}, "anonymous_groups"),
        (
            {"auth": {"mode": "jwt", "jwt": {"jwks_url": "https://id.test", "audience": "t", "admin_group": "ops"}}},
            "groups_claim",
        ),
        ({"quotas": {"on_store_loss": "open"}}, "on_store_loss"),
        ({"quotas": {"local_share": 0}}, "local_share"),
        ({"quotas": {"prefix": "a{b}"}}, "prefix"),
        ({"tenants": {"acme": {"requests_per_minute": 0}}}, "requests_per_minute"),
    ],
)
def test_settings_that_cannot_work_are_told(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings(**chosen)


def test_the_store_s_password_is_masked() -> None:
    settings = load_settings(quotas={"store_url": "redis://:hunter2@redis:6379/0"})
    assert "hunter2" not in settings.model_dump_json() + repr(settings)


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as failed:
        start("all", tmp_path, {"TANDEM_QUOTAS__STORE_URL": "http://redis:6379"})
    log = str(failed.value)
    assert "quotas.store_url is no URL of a Redis" in " ".join(log.split())
    assert "Traceback" not in log
