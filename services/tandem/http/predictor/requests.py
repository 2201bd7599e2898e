"""What clients of TGI and of OpenAI send. Unknown fields are skipped, as TGI skips them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

U32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Parameters(_Asked):
    """TGI's generation parameters; None is TGI's default."""

    adapter_id: str | None = None
    best_of: U32 | None = None
    decoder_input_details: bool | None = None
    details: bool | None = None
    do_sample: bool | None = None
    frequency_penalty: float | None = None
    grammar: Any = None
    max_new_tokens: U32 | None = None
    repetition_penalty: float | None = None
    return_full_text: bool | None = None
    seed: U64 | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_n_tokens: U32 | None = None
    top_p: float | None = None
    truncate: U32 | None = None
    typical_p: float | None = None
    watermark: bool | None = None


class GenerateRequest(_Asked):
    """Of `/generate`, `/generate_stream` and `/tokenize`; `stream` counts at `/` only."""

    inputs: str
    parameters: Parameters | None = None
    stream: bool | None = None


class Part(_Asked):
    """A piece of a message's content."""

    type: str
    text: str | None = None


class Turn(_Asked):
    """One message of a conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: Any = None


class StreamOptions(_Asked):
    """How to stream."""

    include_usage: bool | None = None


class _OpenAI(_Asked):
    model: str | None = None
    frequency_penalty: float | None = None
    logit_bias: Any = None
    max_tokens: U32 | None = None
    n: U32 | None = None
    presence_penalty: float | None = None
    seed: U64 | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None

    def parameters(self) -> Parameters:
        """As TGI's: without a temperature it is sampled, with 0 it is greedy."""
        greedy = self.temperature == 0
        return Parameters(
            do_sample=not greedy,
            temperature=None if greedy else self.temperature,
            # 1 is OpenAI's way to say "all of them"; TGI's own check would refuse it.
            top_p=None if greedy or self.top_p == 1 else self.top_p,
            max_new_tokens=self.length(),
            stop=[self.stop] if isinstance(self.stop, str) else self.stop,
            seed=self.seed,
            frequency_penalty=self.frequency_penalty,
        )

    def length(self) -> int | None:
        """The longest answer, in tokens."""
        return self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """In a stream: a chunk of its own for the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(_OpenAI):
    """Of `/v1/chat/completions` and `/chat_tokenize`."""

    messages: list[Turn]
    guideline: str | None = None
    logprobs: bool | None = None
    max_completion_tokens: U32 | None = None
    response_format: Any = None
    tool_choice: Any = None
    tool_prompt: str | None = None
    tools: list[Any] | None = None
    top_logprobs: U32 | None = None

    def length(self) -> int | None:
        """OpenAI's newer name wins."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


class CompletionRequest(_OpenAI):
    """Of `/v1/completions`."""

    prompt: str | list[str]
    best_of: U32 | None = None
    echo: bool | None = None
    logprobs: U32 | None = None
    repetition_penalty: float | None = None
    suffix: str | None = None
