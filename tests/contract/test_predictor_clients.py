"""Stock clients of TGI and of OpenAI against the predictor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest
from huggingface_hub import AsyncInferenceClient, ChatCompletionInputStreamOptions
from huggingface_hub.errors import GenerationError, OverloadedError, UnknownError, ValidationError
from openai.types.chat import ChatCompletionUserMessageParam

from fakes.predictor import predictor
from tandem.adapters.scripted.engine import ScriptedEngine
from tandem.domain.errors import Overloaded, UpstreamFailed

PIECES = ("Deep", " learning", " is", " fun")
ASK: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "What is it?"}]
FULL = Overloaded("Model is overloaded")
LONG = "word " * 1000


@asynccontextmanager
async def hub(engine: ScriptedEngine) -> AsyncIterator[AsyncInferenceClient]:
    async with predictor(engine) as ours, AsyncInferenceClient(base_url=ours.url) as client:
        yield client


@asynccontextmanager
async def open_ai(engine: ScriptedEngine) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        predictor(engine, api_key="key") as ours,
        openai.AsyncOpenAI(base_url=f"{ours.url}/v1", api_key="key", max_retries=0) as client,
    ):
        yield client


async def test_hub_generates() -> None:
    async with hub(ScriptedEngine(PIECES)) as client:
        # TGI's compatible route puts the prompt before the answer.
        assert await client.text_generation("So:", max_new_tokens=3) == "So:Deep learning is"
        assert await client.text_generation("So:", return_full_text=False) == "Deep learning is fun"


async def test_hub_generates_with_details() -> None:
    async with hub(ScriptedEngine(PIECES)) as client:
        cut = await client.text_generation("So:", max_new_tokens=2, details=True)
        stopped = await client.text_generation("So:", details=True, stop=[" is"], do_sample=True, seed=7)
        ended = await client.text_generation("So:", details=True)
    assert cut.details is not None
    assert stopped.details is not None
    assert ended.details is not None
    assert (cut.details.finish_reason, cut.details.generated_tokens, cut.details.seed) == ("length", 2, None)
    assert (stopped.details.finish_reason, stopped.details.seed) == ("stop_sequence", 7)
    assert (ended.details.finish_reason, ended.generated_text) == ("eos_token", "So:Deep learning is fun")


async def test_hub_streams() -> None:
    async with hub(ScriptedEngine(PIECES)) as client:
        said = [piece async for piece in await client.text_generation("So:", stream=True)]
        told = [
            piece async for piece in await client.text_generation("So:", stream=True, details=True, max_new_tokens=2)
        ]
    assert "".join(said) == "Deep learning is fun"
    assert [piece.token.text for piece in told] == ["Deep", " learning"]
    assert told[-1].generated_text == "So:Deep learning"
    assert told[-1].details is not None
    assert (told[-1].details.finish_reason, told[-1].details.input_length) == ("length", 1)


async def test_hub_chats() -> None:
    async with hub(ScriptedEngine(PIECES)) as client:
        whole = await client.chat_completion([{"role": "user", "content": "What is it?"}], max_tokens=3)
        chunks = [
            chunk
            async for chunk in await client.chat_completion(
                [{"role": "user", "content": "What is it?"}],
                stream=True,
                stream_options=ChatCompletionInputStreamOptions(include_usage=True),
            )
        ]
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Deep learning is", "length")
    assert whole.usage.completion_tokens == 3
    *said, usage = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == "Deep learning is fun"
    assert said[-1].choices[0].finish_reason == "stop"
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_hub_knows_our_errors(stream: bool) -> None:
    # In a stream it is told as an event, and must be the same exception.
    async def ask(engine: ScriptedEngine, prompt: str) -> None:
        async with hub(engine) as client:
            if stream:
                _ = [piece async for piece in await client.text_generation(prompt, max_new_tokens=5, stream=True)]
            else:
                await client.text_generation(prompt, max_new_tokens=5)

    with pytest.raises(OverloadedError):
        await ask(ScriptedEngine(PIECES, error=FULL), "So:")
    with pytest.raises(ValidationError, match="must be <= 768"):
        await ask(ScriptedEngine(PIECES), LONG)
    with pytest.raises(GenerationError):
        await ask(ScriptedEngine(PIECES, error=UpstreamFailed("gone")), "So:")


async def test_hub_is_told_of_a_failed_chat_stream() -> None:
    async with hub(ScriptedEngine(PIECES, error=FULL)) as client:
        with pytest.raises(UnknownError, match="overloaded"):
            _ = [chunk async for chunk in await client.chat_completion([{"role": "user", "content": "?"}], stream=True)]


async def test_openai_chats() -> None:
    async with open_ai(ScriptedEngine(PIECES)) as client:
        models = await client.models.list()
        whole = await client.chat.completions.create(model=models.data[0].id, messages=ASK)
        stream = await client.chat.completions.create(
            model="tgi", messages=ASK, stream=True, stream_options={"include_usage": True}, max_completion_tokens=3
        )
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == "Deep learning is fun"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 4
    *said, usage = chunks
    assert [chunk.choices[0].delta.content for chunk in said] == ["Deep", " learning", " is"]
    assert said[-1].choices[0].finish_reason == "length"
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 3


async def test_openai_completes() -> None:
    async with open_ai(ScriptedEngine(PIECES)) as client:
        whole = await client.completions.create(model="tgi", prompt="So:", max_tokens=2)
        said = [one async for one in await client.completions.create(model="tgi", prompt="So:", stream=True)]
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("Deep learning", "length")
    assert "".join(one.choices[0].text for one in said) == "Deep learning is fun"


async def test_openai_knows_our_errors() -> None:
    async with open_ai(ScriptedEngine(PIECES, error=FULL)) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="tgi", messages=ASK)
        stream = await client.chat.completions.create(model="tgi", messages=ASK, stream=True)
        with pytest.raises(openai.APIError, match="Model is overloaded"):
            _ = [chunk async for chunk in stream]
    async with open_ai(ScriptedEngine(PIECES)) as client:
        with pytest.raises(openai.UnprocessableEntityError):
            await client.chat.completions.create(model="tgi", messages=[{"role": "user", "content": LONG}])
        with pytest.raises(openai.UnprocessableEntityError) as unknown:
            await client.chat.completions.create(model="other", messages=ASK)
        assert "model `other` is not served here" in unknown.value.response.text
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").chat.completions.create(model="tgi", messages=ASK)
