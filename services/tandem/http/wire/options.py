"""How a request says what to retrieve: the `tandem` object of a chat, the body of `/v1/retrieve`."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, FiniteFloat

from tandem.domain.errors import InvalidRequest
from tandem.domain.filters import FILTER_FIELDS, RANGE_FIELDS, Condition, Filter
from tandem.domain.question import RetrievalOptions
from tandem.http.wire.text import CollectionName, Ours, QuestionText, ShortText
from tandem.http.wire.wording import Worded


class Range(Ours):
    """Inclusive bounds: epoch seconds, or pages from 1."""

    gte: FiniteFloat | None = None
    lte: FiniteFloat | None = None


def _exact(value: object) -> object:
    """A literal 1 would take True and 1.0 as well."""
    if type(value) not in (int, str):
        raise ValueError('it is a number from 0 to 5, or "section"')
    return value


Reach = Annotated[Literal[0, 1, 2, 3, 4, 5, "section"], BeforeValidator(_exact)]
Filters = dict[str, ShortText | Annotated[list[ShortText], Field(min_length=1, max_length=100)] | Range]


class RetrievalFields(Ours):
    """What both objects share; a field that is left out means the configured default."""

    collection: CollectionName | None = Field(default=None, description="Collection to search.")
    top_k: int | None = Field(default=None, ge=1, le=50, description="Passages to return.")
    filters: Filters | None = Field(
        default=None,
        description=f"Conditions that all must hold. Fields: {', '.join(FILTER_FIELDS)}. "
        f'A value or a list of values; of {", ".join(sorted(RANGE_FIELDS))} bounds: {{"gte": number, "lte": number}}. '
        "A path that ends in a slash holds for what lies below it.",
    )
    rerank: bool | None = Field(default=None, description="Take a second look at the candidates.")
    expand: bool | None = Field(default=None, description="Search for reworded questions too.")
    self_query: bool | None = Field(
        default=None, description="Read conditions on documents out of the question; false takes it as it is."
    )
    neighbours: Reach | None = Field(
        default=None, description="Chunks to add before and after each passage, or its whole section."
    )
    diversity: float | None = Field(
        default=None, ge=0, le=1, description="How much variety among the passages counts; 0 ranks by relevance alone."
    )
    explain: bool = Field(default=False, description="Return the whole trace of the retrieval.")
    cache: bool | None = Field(
        default=None, description="False: work it out anew. True: a kept answer will do though it is a sampled one."
    )

    def options(self, default_collection: str, *, param: str = "") -> RetrievalOptions:
        """The domain's options; `param` is the path of this object, for errors."""
        return RetrievalOptions(
            collection=self.collection or default_collection,
            top_k=self.top_k,
            filters=_conditions(self.filters or {}, f"{param}filters"),
            rerank=self.rerank,
            expand=self.expand,
            self_query=self.self_query,
            neighbours=self.neighbours,
            diversity=self.diversity,
            explain=self.explain,
            cache=self.cache,
        )


class TandemOptions(RetrievalFields):
    """Tandem's own part of a chat request."""

    prompt: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(@[0-9]{1,9})?$", description="Template, name@version."
    )
    conversation: ShortText | None = Field(
        default=None,
        min_length=1,
        description="Your id of the conversation: all of it is answered by the same release. Unset: told by its first message.",
    )


class RetrieveRequest(RetrievalFields):
    """Body of `POST /v1/retrieve`."""

    query: QuestionText = Field(description="The question, standing alone.")
    wording: Worded | None = Field(default=None, description="What a model made of the question already.")

    def options(self, default_collection: str, *, param: str = "") -> RetrievalOptions:
        """The domain's options, the wording among them."""
        options = super().options(default_collection, param=param)
        return options if self.wording is None else replace(options, wording=self.wording.wording())


def _conditions(filters: dict[str, Any], path: str) -> Filter:
    return tuple(_condition(field, value, f"{path}.{field}") for field, value in filters.items())


def _condition(field: str, value: str | list[str] | Range, param: str) -> Condition:
    if field not in FILTER_FIELDS:
        raise InvalidRequest(
            f"There is no filter field of that name; the fields are {', '.join(FILTER_FIELDS)}.", param=param
        )
    if (field in RANGE_FIELDS) != isinstance(value, Range):
        wanted = 'bounds such as {"gte": 0}' if field in RANGE_FIELDS else "a text or a list of texts"
        raise InvalidRequest(f"{param}: this field is compared with {wanted}.", param=param)
    if isinstance(value, Range):
        if value.gte is None and value.lte is None:
            raise InvalidRequest(f"{param}: at least one bound is needed.", param=param)
        return Condition(field, at_least=value.gte, at_most=value.lte)  # type: ignore[arg-type]
    return Condition(field, any_of=(value,) if isinstance(value, str) else tuple(value))  # type: ignore[arg-type]
