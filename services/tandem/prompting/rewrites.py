"""What a model is asked to write for a search: versioned templates as those of answers are, each for one purpose."""

from collections.abc import Mapping, Sequence

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tandem.domain.errors import ConfigurationError
from tandem.domain.generation import Prompt
from tandem.domain.question import Message
from tandem.prompting.fences import fence_conversation, fence_question
from tandem.prompting.templates import SEPARATOR

# Of each earlier turn, and how many of them.
_LONGEST_TURN = 500
_TURNS = 4


class Rewrites:
    """`sources` maps `name@version` to template text. One that cannot be parsed is a `ConfigurationError`."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._templates: dict[str, tuple[Template, Template]] = {}
        for name, source in sources.items():
            system, separator, user = source.partition(SEPARATOR)
            if not separator:
                raise ConfigurationError(f"The prompt template {name} lacks the line {SEPARATOR!r}.")
            try:
                parts = environment.from_string(system.strip()), environment.from_string(user.strip())
            except TemplateError as error:
                raise ConfigurationError(f"The prompt template {name} cannot be parsed: {error}.") from error
            self._templates[name] = parts

    def known(self, name: str) -> str:
        """The name itself. Raises `ConfigurationError`: no request chooses one."""
        if name not in self._templates:
            known = ", ".join(sorted(self._templates))
            raise ConfigurationError(f"There is no prompt {name!r} for retrieval.", hint=f"Known: {known}.")
        return name

    def render(
        self, name: str, question: str, conversation: Sequence[Message] = (), *, count: int = 1, today: str = ""
    ) -> Prompt:
        """System text and the user's message, in which question and conversation stand fenced."""
        system, user = self._templates[self.known(name)]
        turns = [turn for turn in conversation if turn.role != "system"][-_TURNS:]
        values = {
            "question": fence_question(question),
            "conversation": fence_conversation([Message(turn.role, turn.content[:_LONGEST_TURN]) for turn in turns]),
            "count": count,
            "today": today,
        }
        messages = Message("system", system.render(values)), Message("user", user.render(values))
        return Prompt(messages, name)
