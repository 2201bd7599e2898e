"""The API's own description, and requests made up from it: no 500, no undocumented status, bodies as described."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis.checks import not_a_server_error, unsupported_method
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fakes.api import Api
from fakes.live import live
from tandem.admission.keys import Key
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument

KEY = "schema-key"
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def api() -> Api:
    made = Api(keys=[Key("tests", hashlib.sha256(KEY.encode()).hexdigest())], request_timeout_s=10)
    made.lifecycle.ready()
    return made


@pytest.fixture
def url() -> Iterator[str]:
    """A server in a thread of its own: made-up requests are sent synchronously."""
    found: list[str] = []
    serving, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        surface = api()
        await surface.ingestor.put("docs", RawDocument("0", b"text", "0"), RequestContext("seed"))
        async with live(surface.app) as address:
            found.append(address)
            serving.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    serving.wait(10)
    yield found[0]
    stop.set()
    thread.join(10)


def test_made_up_requests(url: str, subtests: pytest.Subtests) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) >= 15
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            with subtests.test(f"{operation.label} {mode.value}"):
                _try(operation, mode)


def _try(operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: schemathesis.GenerationMode) -> None:
    """A few requests that fit the description, or a few that do not; the same ones in every run."""

    @settings(max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case[Any]) -> None:
        # The server under this test, which is not the edge that is shipped, says itself what it thinks of longer ones.
        assume(len(urlencode(case.query or {}, doseq=True)) < 60_000)
        case.call_and_validate(checks=CHECKS, headers={"authorization": f"Bearer {KEY}"}, timeout=20)

    send()


def test_every_operation_documents_its_errors() -> None:
    described = api().described()
    assert described["components"]["securitySchemes"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert {"summary", "tags"} <= set(operation), (method, path)
            if path.startswith("/v1/"):
                told = set(operation["responses"])
                assert {"400", "401", "413", "500"} <= told and told & {"200", "202"}, (method, path)
                assert operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"].endswith(
                    "/ErrorBody"
                )


def test_without_keys_none_are_described() -> None:
    assert "securitySchemes" not in Api().described()["components"]
