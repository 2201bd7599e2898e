"""Kept results over real sockets: given again, to those alone who may see them, and no longer than they are true."""

import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from component.asking import metric, model, serving

pytestmark = pytest.mark.component
ASKED = "When does the harbour open?"
KEYS: dict[str, dict[str, object]] = {
    "crew": {"tenant": "blue", "groups": ["crew"]},
    "guest": {"tenant": "blue"},
    "other": {"tenant": "red"},
}


def keys() -> str:
    hashed = [{"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), **of} for name, of in KEYS.items()]
    return json.dumps(hashed)


class Talk:
    """One running Tandem, and who speaks to it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def put(self, text: str, **fields: object) -> None:
        document = {"id": "harbour.md", "text": f"# Harbour\n\n{text}", "media_type": "text/markdown", **fields}
        headers = {"authorization": "Bearer crew"}
        async with self.http.put(f"{self.url}/v1/documents", json={"documents": [document]}, headers=headers) as reply:
            assert reply.status == 200, await reply.text()

    async def ask(
        self, key: str = "crew", question: str = ASKED, temperature: float = 0.0, **tandem: object
    ) -> dict[str, Any]:
        """What Tandem adds to the answer, and its text."""
        body = {"messages": [{"role": "user", "content": question}], "temperature": temperature, "tandem": tandem}
        headers = {"authorization": f"Bearer {key}"}
        async with self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as reply:
            told = await reply.json()
            assert reply.status == 200, told
        return {**told["tandem"], "text": told["choices"][0]["message"]["content"]}


async def test_what_is_kept_is_given_again_until_something_changes(tmp_path: Path) -> None:
    async with (
        model() as llm,
        serving(
            "all", tmp_path, predictor__url=llm.url, predictor__protocol="openai", predictor__model="steady",
            cache__retrieval="true", cache__answers="greedy", cache__match="semantic",
            auth__mode="keys", auth__keys=keys(),
        ) as tandem,
        aiohttp.ClientSession() as http,
    ):  # fmt: skip
        talk = Talk(tandem.url, http)
        await talk.put("The harbour opens at seven in the morning.", acl=["crew"])
        first = await talk.ask()
        assert (first["cached"], len(llm.headers)) == (False, 1)
        again = await talk.ask(question="when do the harbours open")
        assert (again["cached"], again["text"], len(llm.headers)) == (True, first["text"], 1)
        assert again["citations"] == first["citations"]
        # A sampled answer is made anew, and so is what a request wants fresh.
        assert not (await talk.ask(temperature=0.7))["cached"]
        assert not (await talk.ask(cache=False))["cached"]
        # Who may not see the document gets nothing of it, kept or not.
        for key in ("guest", "other"):
            told = await talk.ask(key)
            assert (told["outcome"], told["cached"], told["citations"]) == ("abstained", False, [])
        # A changed document is searched for, and answered from, at once.
        await talk.put("The harbour opens at nine in the morning.", acl=["crew"])
        assert not (await talk.ask())["cached"]
        assert await metric(tandem.url, 'tandem_cache_lookups_total{cache="answer",result="hit"}') == 1.0
        assert await metric(tandem.url, 'tandem_cache_lookups_total{cache="retrieval",result="hit"}') >= 1.0
