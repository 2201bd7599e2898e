"""Bodies that fit and bodies that do not, in the words of TGI's parser."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tandem.http.predictor.mismatch import described
from tandem.http.predictor.requests import ChatRequest, CompletionRequest, GenerateRequest

SAY: list[Any] = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "missing field `inputs`"),
        ([], "invalid type: sequence, expected a map"),
        (None, "invalid type: null, expected a map"),
        ({"inputs": 5}, "inputs: invalid type: integer `5`, expected a string"),
        ({"inputs": "x", "parameters": []}, "parameters: invalid type: sequence, expected a map"),
        (
            {"inputs": "x", "parameters": {"max_new_tokens": "ten"}},
            'parameters.max_new_tokens: invalid type: string "ten", expected u32',
        ),
        (
            {"inputs": "x", "parameters": {"max_new_tokens": -1}},
            "parameters.max_new_tokens: invalid value: integer `-1`, expected u32",
        ),
        (
            {"inputs": "x", "parameters": {"max_new_tokens": 1.5}},
            "parameters.max_new_tokens: invalid type: floating point `1.5`, expected u32",
        ),
        (
            {"inputs": "x", "parameters": {"temperature": True}},
            "parameters.temperature: invalid type: boolean `true`, expected f32",
        ),
        (
            {"inputs": "x", "parameters": {"stop": "a"}},
            'parameters.stop: invalid type: string "a", expected a sequence',
        ),
        ({"inputs": "x", "parameters": {"details": {}}}, "parameters.details: invalid type: map, expected a boolean"),
    ],
)
def test_what_does_not_fit_is_named(body: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GenerateRequest.model_validate(body)
    assert described(refused.value) == told


def test_a_field_missing_deep_inside() -> None:
    with pytest.raises(ValidationError) as refused:
        ChatRequest.model_validate({"messages": [{"content": "Hi"}]})
    assert described(refused.value) == "messages.0: missing field `role`"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
FIELDS = ("inputs", "messages", "prompt", "parameters", "stop", "temperature", "stream_options", "max_tokens")


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_comes_is_taken_or_described(body: dict[str, Any]) -> None:
    for model in (GenerateRequest, ChatRequest, CompletionRequest):
        try:
            model.model_validate(body)
        except ValidationError as error:
            told = described(error)
        else:
            continue
        assert told


@pytest.mark.parametrize(
    ("asked", "sampled", "temperature"),
    [({}, True, None), ({"temperature": 0}, False, None), ({"temperature": 0.5}, True, 0.5)],
)
def test_a_chat_is_sampled_unless_its_temperature_is_zero(
    asked: dict[str, Any], sampled: bool, temperature: float | None
) -> None:
    wish = ChatRequest.model_validate({"messages": SAY, **asked}).parameters()
    assert (wish.do_sample, wish.temperature) == (sampled, temperature)


def test_a_chat_in_tgis_terms() -> None:
    wish = ChatRequest.model_validate(
        {"messages": SAY, "stop": ".", "max_tokens": 5, "max_completion_tokens": 7, "seed": 3, "top_p": 1}
    ).parameters()
    assert (wish.stop, wish.max_new_tokens, wish.seed, wish.top_p) == (["."], 7, 3, None)
