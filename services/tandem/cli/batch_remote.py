"""`tandem batch run` through a running Tandem: uploaded, waited for, and its files brought here."""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from tandem.adapters.remote.batches import RemoteBatches, remote_batches
from tandem.app.batch_run import faulty
from tandem.cli.batch_flow import CANCELLED, EXPIRED, INTERRUPTED, Going
from tandem.cli.batch_signals import signals
from tandem.domain.errors import InvalidRequest, UpstreamFailed, UpstreamUnavailable
from tandem.pipeline.batches.earlier import read_result
from tandem.pipeline.batches.lines import CHAT, with_defaults

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.5, 5.0
_PATIENCE_S = 600.0
_ANSWER_S = 3.0


class Note:
    """Beside the output file while a batch is under way elsewhere: whoever comes back goes on with it."""

    def __init__(self, output: Path | None) -> None:
        self._path = None if output is None else output.with_name(output.name + ".batch.json")

    def read(self, url: str) -> str | None:
        """The batch that is under way there."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            told = orjson.loads(self._path.read_bytes())
            return str(told["batch_id"]) if told["url"] == url else None
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
            return None

    def write(self, url: str, batch_id: str) -> None:
        """It is under way."""
        if self._path is not None:
            self._path.write_bytes(orjson.dumps({"url": url, "batch_id": batch_id}))

    def remove(self) -> None:
        """All that came of it is here."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


async def answer_there(url: str, api_key: str | None, going: Going) -> str | None:
    """Why it stopped before its end, or None. Raises what the other side says, and what the files do."""
    async with remote_batches(url, api_key=api_key) as far:
        return await _There(far, url, going).answered()


class _There:
    def __init__(self, far: RemoteBatches, url: str, going: Going) -> None:
        self._far = far
        self._url = url
        self._going = going
        # What comes to standard output cannot be come back for.
        self._note = Note(None if going.request.output is None or not going.answered.kept else going.request.output)
        self._left = asyncio.Event()
        self._end = asyncio.Event()

    async def answered(self) -> str | None:
        if self._going.request.overwrite:
            self._note.remove()
        with signals(self._left.set, self._end.set):
            before = self._note.read(self._url)
            if before is not None and await self._known(before):
                self._going.shown.say(f"going on with {before} at {self._url}")
                stopped = await self._finished(before)
                if stopped is not None:
                    return stopped
            batch_id = await self._submitted()
            return None if batch_id is None else await self._finished(batch_id)

    async def _known(self, batch_id: str) -> bool:
        try:
            await self._far.batch(batch_id)
        except InvalidRequest:
            # Deleted there, or another Tandem by now.
            self._going.shown.say(f"{batch_id} is not known at {self._url} any more; what is left is sent again")
            return False
        return True

    async def _submitted(self) -> str | None:
        """Whole lines go there, the others fail here; None where there are no whole ones."""
        with tempfile.TemporaryFile(prefix="tandem-batch-") as file:
            if not self._written(file):
                return None
            file.seek(0)
            # Its name is for people who look at the files there.
            file_id = await self._far.upload(self._going.request.source.name or "batch.jsonl", file)
        batch_id = str((await self._far.create(file_id, CHAT))["id"])
        self._note.write(self._url, batch_id)
        self._going.shown.say(f"{batch_id} is under way at {self._url}")
        return batch_id

    def _written(self, file: BinaryIO) -> int:
        going, lines = self._going, 0
        for line in going.left():
            if line.fault is not None or line.body is None or line.custom_id is None:
                self._take(faulty(line).raw)
                continue
            body = orjson.Fragment(with_defaults(line.body, going.request.defaults))
            told = {"custom_id": line.custom_id, "method": "POST", "url": CHAT, "body": body}
            file.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
            lines += 1
        return lines

    async def _finished(self, batch_id: str) -> str | None:
        """Its results are here."""
        batch = await self._ended(batch_id)
        if batch is None:
            return INTERRUPTED
        if batch["status"] == "failed":
            self._note.remove()
            raise InvalidRequest(f"{self._url} refused the batch: {_why(batch)}")
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                async for raw in self._far.lines(str(batch[name])):
                    self._take(raw)
        for results in (self._going.answered, self._going.failed):
            results.sync()
        self._note.remove()
        if self._end.is_set():
            return INTERRUPTED
        if batch["status"] == "completed":
            return None
        return EXPIRED if batch["status"] == "expired" else CANCELLED

    async def _ended(self, batch_id: str) -> Mapping[str, Any] | None:
        """None when it was left to itself."""
        look_s, cancelled = _FIRST_LOOK_S, False
        while True:
            batch = await self._looked(batch_id)
            if batch["status"] in _ENDED:
                return batch
            if self._left.is_set() and not cancelled:
                if not await self._to_be_cancelled():
                    self._going.shown.say(
                        f"{batch_id} goes on at {self._url}: run the same command again for its answers"
                    )
                    return None
                cancelled = True
                await self._far.cancel(batch_id)
                self._end.set()
                self._going.shown.say(f"cancelling {batch_id}: what is answered already comes first")
            await _first_of(None if cancelled else self._left, look_s)
            look_s = min(_LONGEST_LOOK_S, look_s * 1.3)

    async def _looked(self, batch_id: str) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        until_s, pause_s = loop.time() + _PATIENCE_S, _FIRST_LOOK_S
        while True:
            try:
                batch = await self._far.batch(batch_id)
            except UpstreamUnavailable as error:
                if loop.time() > until_s or self._left.is_set():
                    raise
                self._going.shown.say(f"waiting: {error.message}")
                await _first_of(self._left, pause_s)
                pause_s = min(30.0, pause_s * 2)
                continue
            if not isinstance(batch.get("status"), str):
                raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?")
            counts = batch.get("request_counts") or {}
            self._going.shown.elsewhere(int(counts.get("completed", 0)), int(counts.get("failed", 0)))
            return batch

    async def _to_be_cancelled(self) -> bool:
        """A person is asked; nobody there, a second Ctrl-C within a moment says it."""
        loop = asyncio.get_running_loop()
        if not sys.stdin.isatty():
            await _first_of(self._end, _ANSWER_S)
            return self._end.is_set()
        self._going.shown.say(
            "Cancel the batch there, too? y and Enter, or Ctrl-C again; Enter alone leaves it running."
        )
        said: list[str] = []

        def read() -> None:
            said.append(sys.stdin.readline())
            self._end.set()

        loop.add_reader(sys.stdin, read)
        try:
            await self._end.wait()
        finally:
            loop.remove_reader(sys.stdin)
        self._end.clear()
        return not said or said[0].strip().lower() in ("y", "yes")

    def _take(self, raw: bytes) -> None:
        """A line of the files there, or one of ours, that nothing is known of yet."""
        result, going = read_result(raw), self._going
        if result is None:
            raise UpstreamFailed("A line of the batch's files cannot be read.", hint="Is it a Tandem of this version?")
        earlier, tally = going.plan.earlier, going.plan.tally
        if result.unread:
            # Lines are counted otherwise there: only whole ones were sent.
            number = going.plan.contents.number(result.custom_id)
            number = result.number if number is None else number
            if number is None or number in earlier.faulty:
                return
            earlier.faulty[number] = result.code
            raw = _numbered(raw, number)
        elif (
            result.custom_id is None
            or going.plan.contents.number(result.custom_id) is None
            or result.custom_id in earlier.answered
            or result.custom_id in earlier.failed
        ):
            return
        elif result.answered:
            going.answered.append(raw)
            earlier.answered[result.custom_id] = result
            tally.answered += 1
            tally.prompt_tokens += result.prompt_tokens
            tally.completion_tokens += result.completion_tokens
            return
        else:
            earlier.failed[result.custom_id] = result
        going.failed.append(raw)
        tally.failed += 1


def _numbered(raw: bytes, number: int) -> bytes:
    told = orjson.loads(raw)
    told["error"]["line"] = number + 1
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _why(batch: Mapping[str, Any]) -> str:
    try:
        first = batch["errors"]["data"][0]
        return str(first["message"])
    except (KeyError, IndexError, TypeError):
        return "it does not say why."


async def _first_of(event: asyncio.Event | None, most_s: float) -> None:
    if event is None:
        await asyncio.sleep(most_s)
        return
    try:
        async with asyncio.timeout(most_s):
            await event.wait()
    except TimeoutError:
        return
