"""A chat request as messages for the engine; what of OpenAI's protocol it cannot have is refused."""

from collections.abc import Iterator
from typing import cast, get_args

from tandem.domain.errors import InvalidRequest
from tandem.domain.question import Message, Role
from tandem.http.predictor.requests import ChatRequest, Part, Turn

_ROLES = get_args(Role)


def messages_of(request: ChatRequest) -> tuple[Message, ...]:
    """Raises `InvalidRequest` for an empty conversation, a role or a part that is no text."""
    if not request.messages:
        raise InvalidRequest("`messages` cannot be empty")
    return tuple(_message(turn) for turn in request.messages)


def refuse_unsupported(request: ChatRequest) -> None:
    """Raises `InvalidRequest` for the first option that would change the answer and is not to be had here."""
    if name := next(_beyond_us(request), None):
        raise InvalidRequest(f"`{name}` is not supported by this model")


def refuse_model(asked: str | None, served: str) -> None:
    """Raises `InvalidRequest` for a model that is not the one: TGI would look for an adapter of that name."""
    # `dummy` is what huggingface_hub's client sends when it is given a URL instead of a model.
    if asked not in {None, "tgi", "dummy", served}:
        raise InvalidRequest(f"model `{asked}` is not served here, ask for `{served}`")


def _beyond_us(request: ChatRequest) -> Iterator[str]:
    wanted = {
        "tools": request.tools,
        "tool_choice": request.tool_choice not in {None, "auto", "none"}
        if isinstance(request.tool_choice, str | None)
        else True,
        "tool_prompt": request.tool_prompt and request.tools,
        "guideline": request.guideline,
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "logit_bias": request.logit_bias,
        "presence_penalty": request.presence_penalty,
        "n": request.n not in {None, 1},
    }
    yield from (name for name, beyond in wanted.items() if beyond)


def _message(turn: Turn) -> Message:
    # OpenAI's newer name for the system's part.
    role = "system" if turn.role == "developer" else turn.role
    if role not in _ROLES:
        raise InvalidRequest(f"messages of role `{turn.role}` are not supported by this model")
    if turn.tool_calls or turn.content is None:
        raise InvalidRequest("a message must have `content`, and tool calls are not supported by this model")
    if isinstance(turn.content, str):
        return Message(cast("Role", role), turn.content)
    return Message(cast("Role", role), "".join(_text(part) for part in turn.content))


def _text(part: Part) -> str:
    if part.type != "text" or part.text is None:
        raise InvalidRequest(f"content of type `{part.type}` is not supported by this model")
    return part.text
