"""Versioned prompt templates, `name@version`: sandboxed Jinja that turns passages and a question into messages."""

from collections.abc import Mapping, Sequence

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tandem.domain.errors import ConfigurationError, UnknownPrompt
from tandem.domain.generation import Prompt
from tandem.domain.passage import Passage
from tandem.domain.question import Message
from tandem.prompting.fences import fence_passages, fence_question

# A template file is the system text, this line, and the user's message.
SEPARATOR = "--- user ---"


class Templates:
    """`sources` maps `name@version` to template text. A template that cannot be parsed is a `ConfigurationError`."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._templates = {}
        for name, source in sources.items():
            system, separator, user = source.partition(SEPARATOR)
            if not separator:
                raise ConfigurationError(f"The prompt template {name} lacks the line {SEPARATOR!r}.")
            try:
                self._templates[name] = (system.strip(), environment.from_string(user.strip()))
            except TemplateError as error:
                raise ConfigurationError(f"The prompt template {name} cannot be parsed: {error}.") from error

    @property
    def names(self) -> tuple[str, ...]:
        """All templates, in order."""
        return tuple(sorted(self._templates))

    def known(self, name: str) -> str:
        """The name itself. Raises `UnknownPrompt`."""
        if name not in self._templates:
            raise UnknownPrompt(
                f"There is no prompt {name[:80]!r}.", hint=f"Known: {', '.join(self.names)}.", param="tandem.prompt"
            )
        return name

    def render(
        self, name: str, question: str, passages: Sequence[Passage], conversation: Sequence[Message] = ()
    ) -> Prompt:
        """System text first, then the conversation, then passages and question. Raises `UnknownPrompt`.

        The prefix stays the same for every request, so that engines' prefix caches hit.
        """
        system, user = self._templates[self.known(name)]
        text = user.render(passages=fence_passages(passages), question=fence_question(question))
        turns = (turn for turn in conversation if turn.role != "system")
        return Prompt((Message("system", system), *turns, Message("user", text)), name)
