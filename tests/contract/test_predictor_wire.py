"""The predictor's bytes beside those that the real TGI router sent."""

from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from fakes.predictor import JSON, predictor
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.domain.errors import Overloaded, UpstreamFailed

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "tgi-wire"
# Every answer has a date; the rest is cross-origin access, which is not given away here.
NOT_OURS = {"date", "vary", "access-control-allow-origin"}
# Beyond TGI's: who answers, and the request's id.
BEYOND = {"date", "server", "x-request-id"}

PIECES = ("hib", " being", " version", " NO", "div")
HI = [{"role": "user", "content": "Hi"}]
WORDS_2004, WORDS_2010 = "word " * 2003 + "word", "word " * 2009 + "word"
OVERLOADED = Overloaded("Model is overloaded")
DEAD = UpstreamFailed("Server error: transport error")


class Capture(NamedTuple):
    status: int
    headers: set[str]
    body: bytes


def capture(name: str) -> Capture:
    file = CAPTURES / f"{name}.http"
    if not file.exists():
        pytest.skip(f"TGI's answers are not here: {file.name} is looked for in ../shared/tgi-wire")
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return Capture(int(first.split()[1]), {line.partition(":")[0].lower() for line in lines}, body)


def generate(inputs: str = "What is Deep Learning?", **parameters: Any) -> dict[str, Any]:
    return {"inputs": inputs, "parameters": parameters}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "tgi", "messages": HI, "max_tokens": 4, **more}


def keys(value: Any) -> Any:
    """Names and their order all the way down; of a list, its first element's."""
    if isinstance(value, dict):
        return [(name, keys(inner)) for name, inner in value.items()]
    return [keys(value[0])] if isinstance(value, list) and value else None


def events(body: bytes) -> list[Any]:
    assert body.endswith(b"\n\n")
    found = []
    for line in body.removesuffix(b"\n\n").split(b"\n\n"):
        assert line.startswith(b"data: ")
        data = line.removeprefix(b"data: ")
        found.append("[DONE]" if data == b"[DONE]" else keys(orjson.loads(data)))
    return found


ANSWERS = [
    ("generate", "/generate", generate(max_new_tokens=5)),
    ("generate_full_text", "/generate", generate(return_full_text=True)),
    ("compat_root", "/", generate(max_new_tokens=4)),
    ("chat", "/v1/chat/completions", chat()),
    ("completions", "/v1/completions", {"model": "tgi", "prompt": "a b c", "max_tokens": 4}),
    ("tokenize", "/tokenize", {"inputs": "Hello world"}),
    ("chat_tokenize", "/chat_tokenize", {"messages": HI}),
]


@pytest.mark.parametrize(("name", "path", "body"), ANSWERS, ids=[row[0] for row in ANSWERS])
async def test_answers_have_the_same_status_headers_and_fields(name: str, path: str, body: dict[str, Any]) -> None:
    real = capture(name)
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post(path, body)
    assert reply.status == real.status
    assert real.headers - NOT_OURS <= {header for header, _ in reply.headers}
    assert keys(reply.json) == keys(orjson.loads(real.body))


async def test_details_have_the_same_fields() -> None:
    real = keys(orjson.loads(capture("generate_sampled_seed").body)["details"])
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post("/generate", generate(details=True, do_sample=True, seed=42))
    assert [name for name, _ in keys(reply.json["details"])] == [name for name, _ in real]
    assert reply.json["details"]["seed"] == 42


STREAMS = [
    ("generate_stream", "/generate_stream", generate(max_new_tokens=5)),
    ("generate_stream_details", "/generate_stream", generate(max_new_tokens=5, details=True)),
    ("compat_root_stream", "/", {**generate(max_new_tokens=3), "stream": True}),
    ("chat_stream", "/v1/chat/completions", chat(stream=True)),
    ("chat_stream_usage", "/v1/chat/completions", chat(stream=True, stream_options={"include_usage": True})),
    ("completions_stream", "/v1/completions", {"prompt": "a b c", "max_tokens": 3, "stream": True}),
]


@pytest.mark.parametrize(("name", "path", "body"), STREAMS, ids=[row[0] for row in STREAMS])
async def test_streams_have_the_same_events(name: str, path: str, body: dict[str, Any]) -> None:
    real = capture(name)
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post(path, body)
    assert reply.status == real.status
    assert {header for header, _ in reply.headers} - BEYOND == real.headers - NOT_OURS
    assert events(reply.body) == events(real.body)


FAULTS = [
    ("err_404", "/nowhere", generate()),
    ("err_bestof_stream", "/generate_stream", generate("Hi", best_of=2, do_sample=True)),
    ("err_chat_input_too_long", "/v1/chat/completions", chat(messages=[{"role": "user", "content": WORDS_2010}])),
    (
        "err_chat_input_too_long_stream",
        "/v1/chat/completions",
        chat(messages=[{"role": "user", "content": WORDS_2010}], stream=True),
    ),
    ("err_completions_suffix", "/v1/completions", {"prompt": "a", "suffix": "b"}),
    ("err_decoder_details_stream", "/generate_stream", generate("Hi", decoder_input_details=True)),
    ("err_empty", "/generate", generate("")),
    ("err_input_too_long", "/generate", generate(WORDS_2004, max_new_tokens=4)),
    ("err_input_too_long_stream", "/generate_stream", generate(WORDS_2004, max_new_tokens=4)),
    ("err_max_new_0", "/generate", generate(max_new_tokens=0)),
    ("err_stop_too_many", "/generate", generate(stop=["a", "b", "c", "d", "e"])),
    ("err_temperature", "/generate", generate(temperature=0.0)),
    ("err_temperature_neg", "/generate", generate(temperature=-1.0)),
    ("err_top_k", "/generate", generate(top_k=0)),
    ("err_top_p", "/generate", generate(top_p=1.0)),
    ("err_total_tokens", "/generate", generate("a b c", max_new_tokens=1000)),
]


@pytest.mark.parametrize(("name", "path", "body"), FAULTS, ids=[row[0] for row in FAULTS])
async def test_faults_are_the_same_to_the_byte(name: str, path: str, body: dict[str, Any]) -> None:
    real = capture(name)
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post(path, body)
    assert (reply.status, reply.body) == (real.status, real.body)
    assert {header for header, _ in reply.headers} - BEYOND == real.headers - NOT_OURS


BROKEN = [
    ("overloaded_generate", "/generate", generate("Hi"), OVERLOADED),
    ("overloaded_compat", "/", generate("Hi"), OVERLOADED),
    ("overloaded_chat", "/v1/chat/completions", chat(), OVERLOADED),
    ("overloaded_completions", "/v1/completions", {"prompt": "Hi"}, OVERLOADED),
    ("overloaded_generate_stream", "/generate_stream", generate("Hi"), OVERLOADED),
    ("overloaded_chat_stream", "/v1/chat/completions", chat(stream=True), OVERLOADED),
    ("shard_killed_generate", "/generate", generate("Hi"), DEAD),
]


@pytest.mark.parametrize(("name", "path", "body", "error"), BROKEN, ids=[row[0] for row in BROKEN])
async def test_failures_are_the_same_to_the_byte(name: str, path: str, body: dict[str, Any], error: Exception) -> None:
    real = capture(name)
    async with predictor(ScriptedEngine(PIECES, error=error)) as ours:  # type: ignore[arg-type]
        reply = await ours.post(path, body)
    assert (reply.status, reply.body) == (real.status, real.body)
    assert {header for header, _ in reply.headers} - BEYOND == real.headers - NOT_OURS


TEXTS = [
    ("err_bad_json", "/generate", b'{"inputs":', JSON),
    ("err_bad_type", "/generate", orjson.dumps(generate(max_new_tokens="ten")), JSON),
    ("err_missing_inputs", "/generate", b'{"parameters":{}}', JSON),
    ("err_chat_no_messages", "/v1/chat/completions", b'{"model":"tgi"}', JSON),
    ("err_no_content_type", "/generate", orjson.dumps(generate()), {}),
]


@pytest.mark.parametrize(("name", "path", "body", "headers"), TEXTS, ids=[row[0] for row in TEXTS])
async def test_bodies_that_are_no_requests_are_told_in_text(
    name: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    real = capture(name)
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.post(path, body, headers)
    assert reply.status == real.status
    assert reply.header("content-type") == "text/plain; charset=utf-8"
    # TGI adds where in the text, and its JSON parser has other words for what it misses.
    told = real.body.decode().partition(" at line ")[0].partition(": inputs: EOF")[0]
    assert reply.body.decode().startswith(told)


@pytest.mark.parametrize("name", ["health", "ping", "root_get", "info", "v1_models"])
async def test_what_is_told_without_asking_the_model(name: str) -> None:
    real = capture(name)
    path = {"root_get": "/", "v1_models": "/v1/models"}.get(name, f"/{name}")
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.get(path)
    assert reply.status == real.status
    assert {header for header, _ in reply.headers} - BEYOND == real.headers - NOT_OURS
    if real.body:
        assert keys(reply.json) == keys(orjson.loads(real.body))
    else:
        assert reply.body == b""


async def test_the_wrong_method() -> None:
    real = capture("err_method")
    async with predictor(ScriptedEngine(PIECES)) as ours:
        reply = await ours.get("/generate")
    assert (reply.status, reply.body, reply.header("allow")) == (real.status, b"", "POST")


async def test_a_stream_to_the_byte() -> None:
    async with predictor(ScriptedEngine(("Hé", "llo", "!"))) as ours:
        cut = await ours.post("/generate_stream", generate("Say", max_new_tokens=2, details=True))
        ended = await ours.post("/generate_stream", generate("Say", return_full_text=True))
    assert cut.body.decode() == (
        'data: {"index":1,"token":{"id":0,"text":"Hé","logprob":0.0,"special":false},"generated_text":null,"details":null}\n\n'
        'data: {"index":2,"token":{"id":0,"text":"llo","logprob":0.0,"special":false},"generated_text":"Héllo",'
        '"details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":1}}\n\n'
    )
    assert ended.body.decode().endswith(
        'data: {"index":4,"token":{"id":0,"text":"","logprob":0.0,"special":true},"generated_text":"SayHéllo!","details":null}\n\n'
    )


async def test_a_chat_stream_to_the_byte() -> None:
    head = (
        'data: {"object":"chat.completion.chunk","id":"r-1","created":1767225600,"model":"scripted",'
        '"system_fingerprint":"1.2.3-scripted","choices":['
    )
    ask = chat(stream=True, stream_options={"include_usage": True})
    async with predictor(ScriptedEngine(("Yes",)), clock=ScriptedClock(), version="1.2.3") as ours:
        reply = await ours.post("/v1/chat/completions", ask, {**JSON, "x-request-id": "r-1"})
    assert reply.body.decode() == (
        f'{head}{{"index":0,"delta":{{"role":"assistant","content":"Yes"}},"logprobs":null,"finish_reason":null}}],"usage":null}}\n\n'
        f'{head}{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,"finish_reason":"stop"}}],"usage":null}}\n\n'
        f'{head}],"usage":{{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5}}}}\n\n'
        "data: [DONE]\n\n"
    )


async def test_failures_to_the_byte() -> None:
    async with predictor(ScriptedEngine(PIECES, error=OVERLOADED)) as ours:
        assert (await ours.post("/generate", generate())).body == (
            b'{"error":"Model is overloaded","error_type":"overloaded"}'
        )
        assert (await ours.post("/v1/chat/completions", chat(stream=True))).body == (
            b'data: {"error":{"message":"Model is overloaded","http_status_code":422}}\n\ndata: [DONE]\n\n'
        )


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"fail_after": 2}, ("Request failed during generation: The scripted answer breaks off here.", "generation")),
        ({"cut_after": 2}, ("Incomplete generation", "incomplete_generation")),
    ],
)
async def test_a_stream_that_breaks_off_says_so(script: dict[str, int], told: tuple[str, str]) -> None:
    async with predictor(ScriptedEngine(PIECES, **script)) as ours:  # type: ignore[arg-type]
        reply = await ours.post("/generate_stream", generate())
        whole = await ours.post("/generate", generate())
    *pieces, last = [orjson.loads(line[6:]) for line in reply.body.removesuffix(b"\n\n").split(b"\n\n")]
    assert [piece["token"]["text"] for piece in pieces] == ["hib", " being"]
    assert last == {"error": told[0], "error_type": told[1]}
    assert (whole.status, whole.json) == (500 if "cut_after" in script else 424, last)
