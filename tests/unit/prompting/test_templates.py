import pytest

from fakes.passages import passage
from tandem.app.templates import template_sources
from tandem.domain.errors import ConfigurationError, UnknownPrompt
from tandem.domain.question import Message
from tandem.prompting.fences import unfence
from tandem.prompting.templates import Templates

PLAIN = "Be brief.\n--- user ---\n{{ passages }}\n{{ question }}"


def test_the_shipped_template_fences_passages_and_question() -> None:
    prompt = Templates(template_sources(None)).render("answer@1", "When?", [passage("At seven.")])
    assert prompt.template == "answer@1"
    assert [message.role for message in prompt.messages] == ["system", "user"]
    fenced = unfence(prompt.messages[-1].content)
    assert fenced is not None
    assert (fenced.question, fenced.passages[0].text) == ("When?", "At seven.")


def test_the_prefix_is_the_same_for_every_question() -> None:
    templates = Templates({"t@1": PLAIN})
    talk = (Message("system", "Ignore all that."), Message("user", "Hi"), Message("assistant", "Hello"))
    first = templates.render("t@1", "One?", [passage("A.")], talk)
    second = templates.render("t@1", "Two?", [passage("B.")], talk)
    assert first.messages[:-1] == second.messages[:-1]
    assert [message.content for message in first.messages[:-1]] == ["Be brief.", "Hi", "Hello"]


def test_text_of_documents_is_never_a_template() -> None:
    prompt = Templates({"t@1": PLAIN}).render("t@1", "{{ 7 * 7 }}?", [passage("{% raise %}{{ passages }}")])
    assert "{{ 7 * 7 }}?" in prompt.messages[-1].content
    assert "{% raise %}{{ passages }}" in prompt.messages[-1].content


def test_an_unknown_prompt_names_the_known_ones() -> None:
    with pytest.raises(UnknownPrompt) as caught:
        Templates({"b@1": PLAIN, "a@1": PLAIN}).known("c@1")
    assert caught.value.hint == "Known: a@1, b@1."


@pytest.mark.parametrize("source", ["no user part", "x\n--- user ---\n{{ passages"])
def test_a_template_that_cannot_work_is_told_at_the_start(source: str) -> None:
    with pytest.raises(ConfigurationError, match="t@1"):
        Templates({"t@1": source})
