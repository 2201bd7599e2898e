"""OpenAI's embeddings request and its answer."""

import base64
from array import array
from collections.abc import Sequence
from sys import byteorder
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tandem.http.wire.text import Out, ShortText, Text

MAX_INPUTS = 2_048


class EmbeddingsRequest(BaseModel):
    """Exact types; fields that are not known here are ignored, as OpenAI does. Inputs are texts, not tokens."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    model: ShortText
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, description="The model's own, where given.")

    @property
    def texts(self) -> list[str]:
        """Always several."""
        return [self.input] if isinstance(self.input, str) else list(self.input)


class WireEmbedding(Out):
    """One vector; `embedding` is base64 of little-endian 32-bit floats where that was asked for."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class WireUsage(Out):
    """Tokens of the inputs, as far as they are read."""

    prompt_tokens: int
    total_tokens: int


class WireEmbeddings(Out):
    """Answer of `POST /v1/embeddings`."""

    object: Literal["list"] = "list"
    data: list[WireEmbedding]
    model: str
    usage: WireUsage


def wire_embedding(index: int, vector: Sequence[float], encoding: Literal["float", "base64"]) -> WireEmbedding:
    """In the encoding that was asked for."""
    if encoding == "float":
        return WireEmbedding(index=index, embedding=list(vector))
    packed = array("f", vector)
    if byteorder == "big":
        packed.byteswap()
    return WireEmbedding(index=index, embedding=base64.b64encode(packed.tobytes()).decode("ascii"))
