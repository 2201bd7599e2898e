"""How good the answers are, as far as it can be told without a person."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import INTERVAL, grown, mean, of, rate, summed

_UP = rate("tandem_feedback_total", where='rating="up"')


def _measure(name: str) -> str:
    return mean("tandem_answer_quality", where=f'measure="{name}"')


def _share(title: str, name: str, about: str) -> Panel:
    return Panel(title, "percentunit", (Query(_measure(name), "mean"),), about, most=1)


_ANSWERS = Row(
    "Every answer",
    (
        _share(
            "Abstained",
            "abstained",
            "Answers that say they do not know. A jump: documents are gone, or other questions come.",
        ),
        _share("Groundedness", "groundedness", "Sentences that the cited passages support, by words."),
        _share("Citation coverage", "citation_coverage", "Sentences that cite."),
        _share("Language", "language_match", "Answers in the language of their question."),
        _share("Relevance", "relevance", "Of the best passage for the question."),
        Panel(
            "Spread of groundedness",
            "short",
            (Query(grown("tandem_answer_quality_bucket", "le", where='measure="groundedness"'), "{{le}}"),),
            "How many answers are supported how far.",
            kind="heatmap",
        ),
    ),
)

_JUDGED = Row(
    "Judged by a model",
    (
        Panel(
            "Judgement",
            "percentunit",
            (
                Query(
                    mean("tandem_answer_quality", "measure", where='measure=~"judge_.*"'),
                    "{{measure}}",
                ),
            ),
            "Of a share of the answers, by the pool that quality.judge names.",
            most=1,
        ),
        Panel(
            "Samples by what became of them",
            "ops",
            (Query(rate("tandem_judgements_total", "how"), "{{how}}"),),
            "over_budget, over_rate: left for their cost.",
            stacked=True,
        ),
        Panel(
            "Cost of judging",
            "short",
            (Query(grown("tandem_judge_cost_total"), "cost"),),
            "In the currency of the configured prices, for each interval of the graph.",
        ),
    ),
)

_PEOPLE = Row(
    "Said by people",
    (
        Panel(
            "Opinions",
            "short",
            (Query(grown("tandem_feedback_total", "rating"), "{{rating}}"),),
            "Of one person and answer only the first is counted.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Of which up",
            "percentunit",
            (Query(f"{_UP} / sum(rate({of('tandem_feedback_total')}{INTERVAL}))", "share"),),
            "The rest is down or neutral.",
            width=12,
            most=1,
        ),
    ),
)

_QUESTIONS = Row(
    "Questions",
    (
        Panel(
            "Drift",
            "short",
            (Query(summed("tandem_question_drift", "pod", how="max"), "{{pod}}"),),
            "Cosine distance between the questions of the last day and of the week before. The same mix of questions stays"
            " below .02; a fifth of foreign ones gives .04, a third .10.",
            width=12,
        ),
        Panel(
            "Questions that it is taken from",
            "short",
            (Query(summed("tandem_question_drift_questions", "window"), "{{window}}"),),
            "Below 200 recent ones the drift says little.",
            width=12,
        ),
    ),
)

_RELEASES = Row(
    "Releases",
    (
        Panel(
            "Share that a release is tried with",
            "percentunit",
            (Query(summed("tandem_release_weight", "pod", how="max"), "{{pod}}"),),
            "0 while none is. A gateway that lacks its prompt, collection or pool stays at 0.",
            width=8,
            most=1,
        ),
        Panel(
            "Releases",
            "short",
            (Query(summed("tandem_release_info", "release", "state"), "{{release}}: {{state}}"),),
            "How many gateways know it as the one that serves, or as the one that is tried.",
            width=8,
        ),
        Panel(
            "Decided by policy",
            "short",
            (Query(grown("tandem_release_decisions_total", "decision"), "{{decision}}"),),
            "`tandem release status` says what spoke for it.",
            width=8,
        ),
        Panel(
            "In shadow",
            "short",
            (Query(grown("tandem_release_shadows_total", "result"), "{{result}}"),),
            "Questions that the release answered once more, for nobody to see; no_room are those left out.",
            width=8,
            stacked=True,
        ),
    ),
)

BOARD = Dashboard(
    "tandem-quality",
    "Tandem: quality",
    "How good the answers are, and whether the questions have changed.",
    (_ANSWERS, _PEOPLE, _JUDGED, _QUESTIONS, _RELEASES),
)
