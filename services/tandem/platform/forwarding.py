"""One HTTP request to a port of a pod, over the API server's port forwarding.

The client library forwards by a thread that prints its own failures; one question needs no thread.
"""

import http.client
import io
import json
from dataclasses import dataclass

from kubernetes.client import Configuration
from kubernetes.stream.ws_client import create_websocket, get_websocket_url
from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException

PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_MOST_BYTES = 4_000_000


class ForwardingFailed(Exception):
    """The pod was not reached, or did not answer; `status` is the API server's, 502 when it was the pod."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Said:
    """Status and body of the pod's answer."""

    status: int
    body: str


def get(
    settings: Configuration, headers: dict[str, str], namespace: str, pod: str, port: int, path: str, timeout_s: float
) -> Said:
    """GET `path` at the pod. Every read is bounded by `timeout_s`. Raises `ForwardingFailed`."""
    url = f"{settings.host}/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    asked = {"authorization": headers.get("authorization", ""), "sec-websocket-protocol": PROTOCOL}
    try:
        wire: WebSocket = create_websocket(settings, get_websocket_url(url, [("ports", port)]), asked)
    except WebSocketBadStatusException as error:
        raise ForwardingFailed(int(error.status_code or 0), _refusal(error)) from error
    except (WebSocketException, OSError) as error:
        raise ForwardingFailed(502, f"{pod}: {error}") from error
    try:
        wire.settimeout(timeout_s)
        wire.send_binary(bytes([_DATA]) + f"GET {path} HTTP/1.1\r\nhost: {pod}\r\nconnection: close\r\n\r\n".encode())
        return _answer(wire, pod)
    except (WebSocketException, OSError, http.client.HTTPException) as error:
        raise ForwardingFailed(502, f"{pod} does not answer on port {port}: {error}") from error
    finally:
        wire.shutdown()


def _answer(wire: WebSocket, pod: str) -> Said:
    """The first frame of each channel only repeats the port."""
    opened: set[int] = set()
    received = b""
    while len(received) < _MOST_BYTES:
        opcode, frame = wire.recv_data()
        if opcode == ABNF.OPCODE_CLOSE or not frame:
            break
        channel, data = frame[0], frame[1:]
        if channel not in opened:
            opened.add(channel)
        elif channel == _ERROR:
            raise ForwardingFailed(502, f"{pod}: {data.decode(errors='replace').strip()}")
        else:
            received += data
            if (said := _whole(received)) is not None:
                return said
    raise ForwardingFailed(502, f"{pod} closed the connection without an answer")


def _whole(received: bytes) -> Said | None:
    """The answer, once all of it is there: Tandem tells its length."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    status, _, lines = head.partition(b"\r\n")
    length = http.client.parse_headers(io.BytesIO(lines + separator)).get("content-length")
    if length is None or len(body) < int(length):
        return None
    return Said(int(status.split()[1]), body[: int(length)].decode(errors="replace"))


def _refusal(error: WebSocketBadStatusException) -> str:
    try:
        return str(json.loads(error.resp_body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.status_code}"
