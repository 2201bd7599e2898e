"""One reading process: started when first needed, killed when it breaks a limit."""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.worker import LENGTH
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected

_WORKER = "tandem.adapters.sources.worker"
# JSON escapes one character to at most twelve bytes.
_BYTES_PER_CHAR = 12
_RECYCLE_AFTER = 200
_START_S = 60.0


class Reader:
    """Reads one document at a time. `read` may be cancelled at any moment: the process is then thrown away."""

    def __init__(self, limits: LoadLimits) -> None:
        self._limits = limits
        self._worker: _Worker | None = None
        self._served = 0

    async def read(self, document: RawDocument) -> dict[str, Any]:
        """The worker's answer. Raises `DocumentRejected` when the worker died or took too long."""
        whole = False
        try:
            worker = await self._running()
            async with asyncio.timeout(self._limits.timeout_s):
                answer = await self._exchange(worker, document)
            whole = True
        except TimeoutError as error:
            raise DocumentRejected(
                f"Reading the document took longer than {self._limits.timeout_s:g} s.", reason="timeout"
            ) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise DocumentRejected("The document is damaged: it brought its reader down.", reason="damaged") from error
        finally:
            if not whole:
                await self.close()
        # Parsers leak, and a parser that was out of memory is not to be trusted: begin afresh now and then.
        if answer.get("reason") == "too_large" or self._served >= _RECYCLE_AFTER:
            await self.close()
        return answer

    async def close(self) -> None:
        """Kill the process, if there is one."""
        worker, self._worker, self._served = self._worker, None, 0
        if worker is None:
            return
        if worker.process.returncode is None:
            worker.process.kill()
        await asyncio.shield(worker.process.wait())

    async def _exchange(self, worker: "_Worker", document: RawDocument) -> dict[str, Any]:
        header = json.dumps({"id": document.id, "media_type": document.media_type, "title": document.title}).encode()
        # A worker that gave up in the midst of a body has still said why.
        with contextlib.suppress(ConnectionError):
            for frame in (header, document.body):
                worker.requests.write(LENGTH.pack(len(frame)))
                worker.requests.write(frame)
            await worker.requests.drain()
        answer: dict[str, Any] = json.loads(await worker.answer(self._limits.text_chars * _BYTES_PER_CHAR + 65_536))
        self._served += 1
        return answer

    async def _running(self) -> "_Worker":
        if self._worker is None or self._worker.process.returncode is not None:
            self._worker, self._served = await _start(self._limits), 0
            async with asyncio.timeout(_START_S):
                await self._worker.answer(0)
        return self._worker


@dataclass(frozen=True, slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    requests: asyncio.StreamWriter
    answers: asyncio.StreamReader

    async def answer(self, most: int) -> bytes:
        """The next frame; one of more than `most` bytes is as bad as none."""
        (length,) = LENGTH.unpack(await self.answers.readexactly(LENGTH.size))
        if length > most:
            raise asyncio.IncompleteReadError(b"", length)
        return await self.answers.readexactly(length)


async def _start(limits: LoadLimits) -> _Worker:
    """A worker in an environment that holds nothing but where our code lies: a parser gone wrong finds no secrets.

    A session of its own keeps Ctrl-C from reaching it.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _WORKER,
        json.dumps(asdict(limits)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(path for path in (_package_root(), *sys.path) if path), "PYTHONUTF8": "1"},
        start_new_session=True,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process that was given pipes has none")
    return _Worker(process, process.stdin, process.stdout)


def _package_root() -> str:
    spec = find_spec("tandem")
    return str(Path(spec.origin).parent.parent) if spec is not None and spec.origin is not None else ""
