"""Jobs that follow models, begun on paper."""

from tandem.domain.errors import UnknownModel
from tandem.ports.follow_jobs import Begun


class ScriptedFollowJobs:
    """`ports/follow_jobs.py`: `deliveries` are those that began one, by model, until a test takes it out of `running`."""

    def __init__(self, *models: str) -> None:
        self.models = models
        self.running: dict[str, str] = {}
        self.deliveries: list[tuple[str, str]] = []

    async def begin(self, model: str, delivery: str) -> Begun:
        """See the port."""
        if model not in self.models:
            raise UnknownModel(f"No model {model[:80]!r} is followed.", param="name")
        known = (model, delivery) in self.deliveries
        if known or model in self.running:
            return Begun(self.running.get(model, f"{model}-{delivery}"), new=False)
        self.deliveries.append((model, delivery))
        self.running[model] = f"{model}-{delivery}"
        return Begun(self.running[model], new=True)
