"""Checks of what is refused: bad bodies, parameters, prompts, names and keys, each as the error that it is."""

import orjson

from tandem.domain.errors import ContextTooLong, InvalidRequest
from tandem.domain.question import Sampling
from tandem.generation.chat import chat_body
from tandem.pipeline.conformance.answers import ASKED
from tandem.pipeline.conformance.subject import (
    Remote,
    Skipped,
    Subject,
    Violated,
    answered,
    carded,
    context,
    prompt,
)

_CHAT = "/v1/chat/completions"
# A larger context would need a body that many servers refuse for its size.
_MOST_WORDS = 300_000
_LEAST_WORDS_OVER = 64


async def bad_request(subject: Subject) -> str:
    """What cannot be read is the caller's fault, told as a status of 4xx; a parameter out of range is refused."""
    remote = over_http(subject)
    seen = []
    for what, body in (
        ("broken JSON", b'{"model": "m", "messages": ['),
        ("messages that are none", b'{"messages": 7}'),
    ):
        async with remote.wire.post(_CHAT, body, context()) as reply:
            told = await reply.whole()
        if not 400 <= told.status < 500 or told.status == 429:
            raise Violated(f"{what} is answered {told.status}: {_shown(told.body)}")
        seen.append(f"{what}: {told.status}")
    try:
        await answered(subject, ASKED, Sampling(max_tokens=4, temperature=0.5, top_p=7.0))
    except InvalidRequest:
        seen.append("top_p of 7: refused")
    else:
        seen.append("top_p of 7: taken")
    return ", ".join(seen)


async def too_long(subject: Subject) -> str:
    """A prompt that the model cannot hold is refused as such, not cut."""
    holds = (await carded(subject)).context_tokens
    words = holds + _LEAST_WORDS_OVER
    if words > _MOST_WORDS:
        raise Skipped(f"a prompt for more than {holds} tokens would be larger than what servers take")
    try:
        heard = await answered(subject, f"{'word ' * words}\n\nWhat is it?", Sampling(max_tokens=4, temperature=0.0))
    except ContextTooLong as error:
        return f"{words} words: {error.message[:100]}"
    counted = heard.end.usage.prompt_tokens
    if counted > holds:
        raise Skipped(f"the server holds more than the {holds} tokens that it tells of, or is taken to hold")
    raise Violated(f"a prompt of {words} words was answered as if it had {counted} tokens, of at most {holds}")


async def unknown_model(subject: Subject) -> str:
    """A model that is not served is refused, not replaced."""
    remote = over_http(subject)
    if remote.protocol == "tgi":
        raise Skipped("in TGI's protocol another name is that of an adapter")
    if remote.named is None:
        raise Skipped("there is only one name to ask for")
    async with remote.named("no-such-model") as other:
        try:
            await answered(Subject(other, subject.clock, remote), ASKED, Sampling(max_tokens=4))
        except InvalidRequest as error:
            return error.message[:120]
    raise Skipped("the server answers whatever model it is asked for")


async def key(subject: Subject) -> str:
    """Without its key nothing is generated."""
    remote = over_http(subject)
    if remote.keyless is None:
        raise Skipped("no API key was given")
    async with remote.keyless() as wire:
        body = orjson.dumps(chat_body(prompt(ASKED), Sampling(max_tokens=4), remote.model))
        async with wire.post(_CHAT, body, context()) as reply:
            status = reply.status
    if status not in {401, 403}:
        raise Violated(f"a request without the key is answered {status}")
    return f"a request without the key is answered {status}"


def over_http(subject: Subject) -> Remote:
    """Raises `Skipped` for a model of this process."""
    if subject.remote is None:
        raise Skipped("the model runs in this process")
    return subject.remote


def _shown(body: bytes) -> str:
    return repr(body[:80].decode("utf-8", "replace"))
