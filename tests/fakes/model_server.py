"""A server that repeats its prompt word by word, in another server's bytes; and breaks any one rule when told to."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from fakes.dialects import Dialect, Refused
from fakes.upstream import DONE, Call, Upstream, event, upstream

CONTEXT = 400


class ModelServer:
    """`permits` requests at once, of which `slots` run. `breaks` names the rule that is broken."""

    def __init__(
        self, dialect: Dialect, *, breaks: str = "", permits: int = 4, slots: int = 2, word_s: float = 0.003
    ) -> None:
        self.dialect = dialect
        self.breaks = breaks
        self.permits = permits
        self.word_s = word_s
        self.taken = 0
        self.running = 0
        self.last_prompt = ""
        self.asked = 0
        self._slots = asyncio.Semaphore(slots)

    async def say(self, call: Call) -> None:
        path = call.line.split()[1]
        card, body = self.dialect.card(0 if self.breaks == "no context" else CONTEXT, self.permits)
        if path == card:
            await call.answer(200, body, "content-type: application/json\r\n")
        elif path == "/metrics":
            await call.answer(200, self.dialect.metrics(self.running, self.taken - self.running))
        elif path == "/v1/chat/completions":
            await self._chat(call)
        else:
            await call.answer(404, b"")

    async def _chat(self, call: Call) -> None:
        if refused := self._refused_at_once(call):
            await self._refuse(call, refused)
            return
        if self.taken >= self.permits:
            fails = Refused(500, b"Internal Server Error", "") if self.breaks == "fails when full" else None
            await self._refuse(call, fails or self.dialect.overloaded())
            return
        self.taken += 1
        try:
            async with self._slots:
                self.running += 1
                try:
                    await self._generate(call, orjson.loads(call.body))
                finally:
                    self.running -= 1
        finally:
            self.taken -= 1

    def _refused_at_once(self, call: Call) -> Refused | None:
        broken = Refused(500, b"Internal Server Error", "text/plain")
        if call.headers.get("authorization") != "Bearer key" and self.breaks != "no key needed":
            return self.dialect.unauthorised()
        try:
            asked = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return broken if self.breaks == "fails on bad JSON" else self.dialect.bad_json()
        if not isinstance(asked["messages"], list):
            return broken if self.breaks == "fails on bad types" else self.dialect.bad_types()
        if (refused := self.dialect.unknown_model(asked["model"])) and asked["model"] != "m":
            return broken if self.breaks == "fails on unknown models" else refused
        return self._refused_for_size(asked)

    def _refused_for_size(self, asked: dict[str, Any]) -> Refused | None:
        words, most = len(asked["messages"][-1]["content"].split()), asked.get("max_tokens", 100)
        if words + most > CONTEXT and self.breaks != "cuts prompts":
            return self.dialect.too_long(words, most, CONTEXT)
        return self.dialect.bad_parameter() if asked.get("top_p", 0.5) > 1 else None

    async def _refuse(self, call: Call, refused: Refused) -> None:
        if refused.status is not None:
            await call.answer(refused.status, refused.body, refused.headers)
            return
        await call.raw(self.dialect.head.encode())
        await call.part(refused.body)
        await call.end()

    async def _generate(self, call: Call, asked: dict[str, Any]) -> None:
        self.asked += 1
        text = asked["messages"][-1]["content"]
        before, self.last_prompt = self.last_prompt or text, text
        await asyncio.sleep(self.word_s)
        words, reason = self._words(asked, before if self.breaks == "mixes streams" else text)
        parts = list(self._parts(words, reason, len(text.split()), asked))
        head = self.dialect.head
        if self.breaks == "no content type":
            head = "\r\n".join(row for row in head.split("\r\n") if not row.startswith("content-type"))
        await call.raw(head.encode())
        for number, part in enumerate(parts):
            await self._pause(call, number)
            if call.left.is_set():
                return
            # Cut where it hurts: within the first character of several bytes, if there is one.
            cut = next((at + 1 for at, byte in enumerate(part) if byte >= 0xC0), 0)
            for half in (part[:cut], part[cut:]):
                if half:
                    await call.part(half)
                    await asyncio.sleep(0)
        await (call.end() if self.breaks != "no clean end" else asyncio.sleep(0))
        if self.breaks == "no clean end":
            call.close()

    async def _pause(self, call: Call, number: int) -> None:
        try:
            await asyncio.wait_for(call.left.wait(), self.word_s)
        except TimeoutError:
            return
        if self.breaks == "goes on after leaving" and number > 0:
            await asyncio.sleep(30)

    def _words(self, asked: dict[str, Any], text: str) -> tuple[list[str], str]:
        words = [f"{word} " for word in text.split()[:CONTEXT]]
        if asked.get("temperature"):
            seed = self.asked if self.breaks == "ignores seeds" else asked.get("seed")
            random.Random(seed).shuffle(words)
        if self.breaks == "breaks characters":
            words = [
                word if word.isascii() else word.encode()[:-2].decode("utf-8", "replace") + "\ufffd" for word in words
            ]
        reason = "stop"
        whole = "".join(words)
        stops = [] if self.breaks == "ignores stops" else [one for one in asked.get("stop", ()) if one in whole]
        if stops:
            at = min(whole.index(one) for one in stops)
            kept = at + (len(stops[0]) if self.dialect.protocol == "tgi" or self.breaks == "tells stops" else 0)
            words = [f"{word} " for word in whole[:kept].split()]
            words[-1:] = [words[-1].rstrip()] if kept > at else words[-1:]
        if self.breaks != "ignores length" and len(words) > asked.get("max_tokens", 100):
            words, reason = words[: asked["max_tokens"]], "length"
        if (self.breaks == "hides length" and reason == "length") or (self.breaks == "hides stops" and stops):
            reason = "stop" if reason == "length" else "length"
        return words, reason

    def _parts(self, words: list[str], reason: str, prompt: int, asked: dict[str, Any]) -> list[bytes]:
        """The stream, event by event."""
        say, breaks = self.dialect, self.breaks
        opening = [say.opening()] if say.opening() and breaks != "no role" else []
        pieces = [say.piece(word) for word in words]
        counted = {"counts no prompt": (5, len(words)), "counts too few": (prompt, 1), "counts too many": (prompt, 999)}
        usage = [say.usage(*counted.get(breaks, (min(prompt, CONTEXT - 50), len(words))))]
        ending = [say.ending(reason)]
        if breaks == "no role":
            pieces = [piece.replace(b'"role":"assistant",', b"") for piece in pieces]
        changed: dict[str, list[bytes]] = {
            "no usage": [*opening, *pieces, *ending, DONE],
            "no done": [*opening, *pieces, *ending, *usage],
            "more after done": [*opening, *pieces, *ending, *usage, DONE, say.piece("more")],
            "text after the reason": [*opening, *pieces, *ending, say.piece("more"), *usage, DONE],
            "two reasons": [*opening, *pieces, *ending, *ending, *usage, DONE],
            "no reason": [*opening, *pieces, *usage, DONE],
            "strange reason": [*opening, *pieces, say.ending("tired"), *usage, DONE],
            "usage before the reason": [*opening, *pieces, *usage, *ending, DONE],
            "usage does not add up": [*opening, *pieces, *ending, usage[0].replace(b'_tokens":', b'_tokens":1'), DONE],
            "no JSON": [*opening, *pieces, b"data: {oops}\n\n", *ending, *usage, DONE],
            "no chunk": [*opening, event({"object": "list", "choices": []}), *pieces, *ending, *usage, DONE],
            "no UTF-8": [*opening, *pieces, say.piece("x").replace(b'"x"', b'"\xff"'), *ending, *usage, DONE],
            "no event": [*opening, *pieces, b"oops\n\n", *ending, *usage, DONE],
            "no empty line": [*opening, *pieces, *ending, *usage, DONE[:-1]],
            "ids change": [*opening, *pieces, *ending, usage[0].replace(b'"id":"', b'"id":"other'), DONE],
            "two choices": [*opening, *pieces, pieces[0].replace(b'"index":0', b'"index":1'), *ending, *usage, DONE],
        }
        return changed.get(breaks, [*opening, *pieces, *ending, *usage, DONE])


@asynccontextmanager
async def model_server(dialect: Dialect, **options: Any) -> AsyncIterator[tuple[ModelServer, Upstream]]:
    """`options` are those of `ModelServer`."""
    model = ModelServer(dialect, **options)
    async with upstream(model.say) as server:
        yield model, server
