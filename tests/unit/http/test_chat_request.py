"""From OpenAI's body to the domain's question."""

from typing import Any

from tandem.domain.filters import Condition
from tandem.domain.question import Message, RetrievalOptions, Sampling
from tandem.http.wire.chat_request import ChatRequest


def question(*messages: tuple[str, Any], **more: Any) -> Any:
    turns = [{"role": role, "content": content} for role, content in messages]
    return ChatRequest.model_validate({"messages": turns, **more}).question("docs", alias="tandem")


def test_the_last_user_message_is_the_question() -> None:
    asked = question(("system", "Be kind."), ("user", "One?"), ("assistant", "Yes."), ("user", "Two?"))
    assert asked.text == "Two?"
    assert asked.conversation == (Message("system", "Be kind."), Message("user", "One?"), Message("assistant", "Yes."))


def test_developer_is_system_and_parts_are_joined() -> None:
    asked = question(
        ("developer", "Be brief."), ("user", [{"type": "text", "text": "One "}, {"type": "text", "text": "two?"}])
    )
    assert asked.text == "One two?"
    assert asked.conversation == (Message("system", "Be brief."),)


def test_what_is_left_out_is_left_to_the_configuration() -> None:
    asked = question(("user", "One?"))
    assert asked.sampling == Sampling()
    assert asked.retrieval == RetrievalOptions("docs")
    assert asked.prompt is None


def test_everything_that_is_asked_for_arrives() -> None:
    tandem = {
        "collection": "notes", "top_k": 3, "filters": {"tags": "a"}, "rerank": False, "expand": True, "explain": True,
        "cache": False, "prompt": "brief@2",
    }  # fmt: skip
    asked = question(
        ("user", "One?"),
        max_tokens=5,
        max_completion_tokens=7,
        temperature=0,
        top_p=0.5,
        stop="END",
        seed=-3,
        tandem=tandem,
    )
    assert asked.sampling == Sampling(7, 0, 0.5, ("END",), -3)
    assert asked.retrieval == RetrievalOptions(
        "notes", 3, (Condition("tags", ("a",)),), rerank=False, expand=True, explain=True, cache=False
    )
    assert asked.prompt == "brief@2"


def test_null_means_left_out() -> None:
    nothing = dict.fromkeys(["max_tokens", "temperature", "top_p", "stop", "seed", "n", "tools", "stream", "tandem"])
    assert question(("user", "One?"), **nothing).sampling == Sampling()


def test_the_alias_means_any_model() -> None:
    assert question(("user", "One?")).model is None
    assert question(("user", "One?"), model="tandem").model is None
    assert question(("user", "One?"), model="llama").model == "llama"


def test_a_conversation_may_have_a_name() -> None:
    assert question(("user", "One?"), tandem={"conversation": "c-1"}).conversation_id == "c-1"
    assert question(("user", "One?")).conversation_id is None
