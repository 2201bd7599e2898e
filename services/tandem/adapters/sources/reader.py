"""One reading process: started when first needed, killed when it breaks a limit."""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import asdict
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
        self._process: asyncio.subprocess.Process | None = None
        self._served = 0

    async def read(self, document: RawDocument) -> dict[str, Any]:
        """The worker's answer. Raises `DocumentRejected` when the worker died or took too long."""
        whole = False
        try:
            process = await self._running()
            async with asyncio.timeout(self._limits.timeout_s):
                answer = await self._exchange(process, document)
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
        process, self._process, self._served = self._process, None, 0
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())

    async def _exchange(self, process: asyncio.subprocess.Process, document: RawDocument) -> dict[str, Any]:
        assert process.stdin is not None
        header = json.dumps({"id": document.id, "media_type": document.media_type, "title": document.title}).encode()
        # A worker that gave up in the midst of a body has still said why.
        with contextlib.suppress(ConnectionError):
            for frame in (header, document.body):
                process.stdin.write(LENGTH.pack(len(frame)))
                process.stdin.write(frame)
            await process.stdin.drain()
        answer: dict[str, Any] = json.loads(await _frame(process, self._limits.text_chars * _BYTES_PER_CHAR + 65_536))
        self._served += 1
        return answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process, self._served = await _start(self._limits), 0
            async with asyncio.timeout(_START_S):
                await _frame(self._process, 0)
        return self._process


async def _frame(process: asyncio.subprocess.Process, most: int) -> bytes:
    assert process.stdout is not None
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > most:
        raise asyncio.IncompleteReadError(b"", length)
    return await process.stdout.readexactly(length)


async def _start(limits: LoadLimits) -> asyncio.subprocess.Process:
    """Its environment is empty but for where our code lies: a parser gone wrong finds no secrets. Its own session keeps
    Ctrl-C from reaching it."""
    return await asyncio.create_subprocess_exec(
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


def _package_root() -> str:
    spec = find_spec("tandem")
    return str(Path(spec.origin).parent.parent) if spec is not None and spec.origin is not None else ""
