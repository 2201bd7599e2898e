"""What a real TGI 3.3.6 and a vLLM put on the wire, byte by byte but for what they say."""

from dataclasses import dataclass
from typing import Protocol

import orjson

from fakes.upstream import DONE, event

_CREATED = 1_795_230_427
_JSON = "content-type: application/json\r\n"
_PLAIN = "content-type: text/plain; charset=utf-8\r\n"


@dataclass(frozen=True, slots=True)
class Refused:
    """A whole answer, or (without a status) what a stream says in place of one."""

    status: int | None
    body: bytes
    headers: str = _JSON


class Dialect(Protocol):
    """One server's bytes."""

    name: str
    protocol: str
    head: str

    def card(self, context: int, permits: int) -> tuple[str, bytes]: ...
    def metrics(self, running: int, waiting: int) -> bytes: ...
    def opening(self) -> bytes: ...
    def piece(self, text: str, reason: str | None = None) -> bytes: ...
    def ending(self, reason: str) -> bytes: ...
    def usage(self, prompt: int, completion: int) -> bytes: ...
    def overloaded(self) -> Refused: ...
    def too_long(self, prompt: int, answer: int, context: int) -> Refused: ...
    def bad_json(self) -> Refused: ...
    def bad_types(self) -> Refused: ...
    def bad_parameter(self) -> Refused: ...
    def unknown_model(self, name: str) -> Refused | None: ...
    def unauthorised(self) -> Refused: ...


class TgiBytes:
    """As captured from TGI's router."""

    name = "tgi"
    protocol = "tgi"
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
        "x-compute-type: gpu+optimized\r\nx-compute-characters: 52\r\nx-accel-buffering: no\r\n"
        "vary: origin, access-control-request-method, access-control-request-headers\r\n"
        "access-control-allow-origin: *\r\ntransfer-encoding: chunked\r\n"
        "date: Sat, 21 Nov 2026 03:07:08 GMT\r\n\r\n"
    )

    def card(self, context: int, permits: int) -> tuple[str, bytes]:
        return "/info", orjson.dumps(
            {
                "model_id": "tiny/random-llama",
                "model_sha": None,
                "model_pipeline_tag": None,
                "max_concurrent_requests": permits,
                "max_best_of": 2,
                "max_stop_sequences": 4,
                "max_input_tokens": context - 1,
                "max_total_tokens": context,
                "validation_workers": 2,
                "max_client_batch_size": 4,
                "router": "text-generation-router",
                "version": "3.3.6-dev0",
                "sha": "db931fcf42da018a3657580c64bf2720f167f9ab",
                "docker_label": None,
            }
        )

    def metrics(self, running: int, waiting: int) -> bytes:
        return (
            f"# TYPE tgi_batch_current_size gauge\ntgi_batch_current_size {running}\n\n"
            f"# TYPE tgi_queue_size gauge\ntgi_queue_size {waiting}\n\n"
        ).encode()

    def opening(self) -> bytes:
        return b""

    def piece(self, text: str, reason: str | None = None) -> bytes:
        delta = {"role": "assistant", "content": text}
        return self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], None)

    def ending(self, reason: str) -> bytes:
        return self.piece("", {"stop": "eos_token"}.get(reason, reason))

    def usage(self, prompt: int, completion: int) -> bytes:
        return self._chunk(
            [], {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        )

    def overloaded(self) -> Refused:
        return self._in_stream("Model is overloaded")

    def too_long(self, prompt: int, answer: int, context: int) -> Refused:
        return self._in_stream(
            f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {context}. "
            f"Given: {prompt} `inputs` tokens and {answer} `max_new_tokens`"
        )

    def bad_json(self) -> Refused:
        return Refused(
            400, b"Failed to parse the request body as JSON: EOF while parsing a list at line 1 column 29", _PLAIN
        )

    def bad_types(self) -> Refused:
        return Refused(
            422,
            b"Failed to deserialize the JSON body into the target type: messages: invalid type: integer `7`, "
            b"expected a sequence at line 1 column 14",
            _PLAIN,
        )

    def bad_parameter(self) -> Refused:
        return self._in_stream("Input validation error: `top_p` must be > 0.0 and < 1.0")

    def unknown_model(self, name: str) -> Refused | None:
        return None

    def unauthorised(self) -> Refused:
        return Refused(401, b"", "")

    def _in_stream(self, message: str) -> Refused:
        return Refused(None, event({"error": {"message": message, "http_status_code": 422}}) + DONE)

    def _chunk(self, choices: list[object], usage: dict[str, int] | None) -> bytes:
        return event(
            {
                "object": "chat.completion.chunk",
                "id": "",
                "created": _CREATED,
                "model": "tiny/random-llama",
                "system_fingerprint": "3.3.6-dev0-native",
                "choices": choices,
                "usage": usage,
            }
        )


class VllmBytes:
    """As vLLM's OpenAI server writes them; `busy` as a gateway before it does, for it refuses nobody itself."""

    name = "vllm"
    protocol = "openai"
    head = (
        "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 03:07:08 GMT\r\nserver: uvicorn\r\n"
        "content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    )

    def card(self, context: int, permits: int) -> tuple[str, bytes]:
        entry = {"id": "m", "object": "model", "created": _CREATED, "owned_by": "vllm", "root": "m", "parent": None}
        return "/v1/models", orjson.dumps({"object": "list", "data": [{**entry, "max_model_len": context}]})

    def metrics(self, running: int, waiting: int) -> bytes:
        labels = '{engine="0",model_name="m"}'
        return (
            f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{labels} {running}.0\n"
            f"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{labels} {waiting}.0\n"
        ).encode()

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""}, None, {"prompt_token_ids": None})

    def piece(self, text: str, reason: str | None = None) -> bytes:
        return self._chunk({"content": text}, reason, {})

    def ending(self, reason: str) -> bytes:
        return self._chunk({"content": ""}, reason, {})

    def usage(self, prompt: int, completion: int) -> bytes:
        counts = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
        return event({**self._stamp(), "choices": [], "usage": counts})

    def overloaded(self) -> Refused:
        body = {"error": {"message": "Too many requests", "type": "rate_limit", "param": None, "code": 429}}
        return Refused(429, orjson.dumps(body), f"{_JSON}retry-after: 2\r\n")

    def too_long(self, prompt: int, answer: int, context: int) -> Refused:
        return self._refused(
            400,
            "BadRequestError",
            f"This model's maximum context length is {context} tokens. However, you requested {answer} output tokens "
            f"and your prompt contains at least {prompt} input tokens. Please reduce the length of the input prompt.",
            "input_tokens",
        )

    def bad_json(self) -> Refused:
        return self._refused(400, "Bad Request", "[{'type': 'json_invalid', 'loc': ('body', 29)}]", None)

    def bad_types(self) -> Refused:
        return self._refused(400, "Bad Request", "[{'type': 'list_type', 'loc': ('body', 'messages')}]", None)

    def bad_parameter(self) -> Refused:
        return self._refused(400, "BadRequestError", "top_p must be in (0, 1], got 7.0.", "top_p")

    def unknown_model(self, name: str) -> Refused | None:
        return self._refused(404, "NotFoundError", f"The model `{name}` does not exist.", "model")

    def unauthorised(self) -> Refused:
        return Refused(401, b'{"error":"Unauthorized"}')

    def _refused(self, status: int, kind: str, message: str, param: str | None) -> Refused:
        body = {"error": {"message": message, "type": kind, "param": param, "code": status}}
        return Refused(status, orjson.dumps(body))

    def _chunk(self, delta: dict[str, str], reason: str | None, more: dict[str, None]) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        if reason is not None:
            choice["stop_reason"] = None
        return event({**self._stamp(), "choices": [choice], **more})

    @staticmethod
    def _stamp() -> dict[str, object]:
        return {"id": "chatcmpl-0af7651916cd", "object": "chat.completion.chunk", "created": _CREATED, "model": "m"}
