"""What is made of a question before it is searched for, as the settings want it: by rules, and by the predictor."""

from tandem.app.settings import Settings
from tandem.app.templates import rewrite_sources
from tandem.pipeline.catalogue import Catalogue
from tandem.pipeline.planning import Planner
from tandem.pipeline.rewording import Rewording, RewordingDefaults
from tandem.pipeline.understanding import Understanding
from tandem.ports.clock import Clock
from tandem.ports.vectors import Vectors
from tandem.prompting.rewrites import Rewrites


def planner(settings: Settings, store: Vectors, clock: Clock) -> Planner:
    """Where the store is: conditions out of the question, checked against what the collection knows."""
    return Understanding(Catalogue(store, clock), clock, rules=settings.retrieval.self_query != "off")


def rewording(settings: Settings, clock: Clock) -> Rewording:
    """Where the model is. Raises `ConfigurationError` for a template that is not there."""
    wanted, rewrites = settings.retrieval, Rewrites(rewrite_sources(settings.prompts_dir))
    expand = wanted.expand
    defaults = RewordingDefaults(
        standalone=wanted.standalone,
        self_query=wanted.self_query,
        mode=expand.mode,
        always=expand.always,
        queries=expand.queries,
        max_tokens=expand.max_tokens,
        timeout_s=expand.timeout_s,
        model_timeout_s=wanted.model_timeout_s,
        # The search itself must not be short of time for it.
        share=wanted.budget_share / 2,
        weight=expand.weight,
        standalone_prompt=rewrites.known(wanted.standalone_prompt),
        self_query_prompt=rewrites.known(wanted.self_query_prompt),
        multi_query_prompt=rewrites.known(expand.multi_query_prompt),
        hyde_prompt=rewrites.known(expand.hyde_prompt),
    )
    return Rewording(rewrites, clock, defaults)
