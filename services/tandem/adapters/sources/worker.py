"""The process that reads formats: one document in, its text out, so that hostile bytes can only hurt a process made to be lost.

Frames both ways: eight bytes of length, big endian, then that many bytes. A request is two frames, a JSON header and
the body; an answer is one frame of JSON; an empty frame says at the start that we are ready. JSON and not pickle: what a parser was talked into must not run in the parent.
"""

import json
import os
import resource
import signal
import struct
import sys
import tempfile
from typing import IO, Any

from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.reading import read
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected

LENGTH = struct.Struct(">Q")
_GRACE_S = 5.0
_TOO_MUCH = {
    "reason": "too_large",
    "message": "Reading the document takes more memory than is allowed.",
    "hint": "Split it, or raise ingestion.load_memory_mb.",
}


def main() -> None:
    """Serve until standard input ends."""
    limits = LoadLimits(**json.loads(sys.argv[1]))
    requests, answers = _private_pipes()
    _bound(limits)
    _send(answers, b"")
    try:
        _serve(requests, answers, limits)
    except MemoryError:
        _send(answers, json.dumps(_TOO_MUCH).encode())


def _serve(requests: IO[bytes], answers: IO[bytes], limits: LoadLimits) -> None:
    while (header := _receive(requests)) is not None:
        # A parent that was killed cannot kill us: the alarm does.
        signal.setitimer(signal.ITIMER_REAL, limits.timeout_s + _GRACE_S)
        body = _receive(requests)
        if body is None:
            return
        answer = json.dumps(answer_for(json.loads(header), body, limits)).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, answer)


def answer_for(header: dict[str, Any], body: bytes, limits: LoadLimits) -> dict[str, Any]:
    """The loaded document's fields, or why there are none."""
    document = RawDocument(header["id"], body, "", header["media_type"], header["title"])
    try:
        loaded = read(document, limits)
    except DocumentRejected as error:
        return {"reason": error.reason, "message": error.message, "hint": error.hint}
    except MemoryError:
        return _TOO_MUCH
    except Exception as error:  # noqa: BLE001 - this process's edge: whatever a parser throws at hostile bytes is the document's fault
        return {"reason": "damaged", "message": f"The document cannot be read ({type(error).__name__}).", "hint": None}
    return {
        "title": loaded.title,
        "text": loaded.text,
        "media_type": loaded.media_type,
        "language": loaded.language,
        "pages": loaded.pages,
        "author": loaded.author,
        "created_at": loaded.created_at,
        "modified_at": loaded.modified_at,
        "tags": loaded.tags,
    }


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Our frames keep to copies of the standard streams; what a library prints goes to standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def _bound(limits: LoadLimits) -> None:
    memory = limits.memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Libraries look for a place they may write to as soon as they are imported; here they may not, and none does.
    tempfile.tempdir = os.sep


def _send(stream: IO[bytes], frame: bytes) -> None:
    stream.write(LENGTH.pack(len(frame)) + frame)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


if __name__ == "__main__":
    main()
