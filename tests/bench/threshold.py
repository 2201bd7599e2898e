"""How well the relevance separates questions that a collection answers from those that it does not, and where to cut.

Through the real pipeline: each labelled set is a collection of the embedded store. Each of its questions is asked there
(answerable), there without the passages of its gold documents (near: the neighbours on the same subject stay), and in
every other collection (foreign). A question's relevance is that of its best candidate.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tandem.adapters.sources.beir import read_labelled
from tandem.app import parts
from tandem.app.settings import load_settings
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.passage import Passage
from tandem.domain.question import RetrievalOptions
from tandem.domain.text import stems
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.relevance import THRESHOLD, coverage, relevance
from tandem.retrieval.selection import cosines, told

ROOT = Path(__file__).parents[2]
CONTEXT = RequestContext("bench")
Vector = npt.NDArray[np.float64]
# From a candidate's cosine and coverage to what is compared.
SIGNALS: dict[str, Callable[[float, float], float]] = {
    "cosine": lambda cosine, _: cosine,
    "coverage": lambda _, covered: covered,
    "product": lambda cosine, covered: cosine * covered,
}


@dataclass
class Asked:
    """Best values over the candidates, one per question: signal → kind → values. `by_set`: products of the answerable."""

    best: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    by_set: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, signals: Sequence[tuple[float, float]]) -> float:
        for name, signal in SIGNALS.items():
            self.best[name][kind].append(max((signal(*each) for each in signals), default=0.0))
        return self.best["product"][kind][-1]


def _cut_down(found: LabelledSet, documents: int, questions: int) -> LabelledSet:
    """At most so many questions, all their gold documents, and other documents up to the number."""
    rng = random.Random(7)
    judged = sorted(query for query in found.qrels if query in found.queries)
    chosen = rng.sample(judged, min(questions, len(judged)))
    unanswerable = [query for query in found.queries if query not in found.qrels] if found.name == "tandem-docs" else []
    needed = {document for query in chosen for document in found.qrels[query]}
    others = sorted(each.id for each in found.documents if each.id not in needed)
    keep = needed | set(rng.sample(others, max(0, min(len(others), documents - len(needed)))))
    return replace(
        found,
        documents=tuple(each for each in found.documents if each.id in keep),
        queries={query: found.queries[query] for query in (*chosen, *unanswerable)},
        qrels={query: found.qrels[query] for query in chosen},
    )


async def _fill(found: LabelledSet, ingestor: Ingestor) -> None:
    for number, document in enumerate(found.documents):
        text = f"# {document.title}\n\n{document.text}" if document.title else document.text
        raw = RawDocument(f"{number}", text.encode(), document.id, "text/markdown", document.title or None)
        await ingestor.put(found.name, raw, CONTEXT)
    await ingestor.settle(found.name)


async def _ask(asked: Asked, sets: Sequence[LabelledSet], retriever: Retriever) -> None:
    for asking in sets:
        for query, question in asking.queries.items():
            for asked_of in sets:
                options = RetrievalOptions(asked_of.name, top_k=1, rerank=False, explain=True)
                retrieval = await retriever.retrieve(question, options, CONTEXT)
                fused = retrieval.trace.fused if retrieval.trace else ()
                gold = asking.qrels.get(query, {}) if asked_of is asking else {}
                signals = list(_signals(question, fused))
                if not gold:
                    asked.add("foreign", signals)
                    continue
                asked.by_set[asking.name].append(asked.add("answerable", signals))
                asked.add("near", [each for each, hit in zip(signals, fused, strict=True) if hit.source not in gold])


def _signals(question: str, candidates: Sequence[Passage]) -> Iterator[tuple[float, float]]:
    wanted = stems(question)
    for each, cosine in zip(candidates, cosines(candidates), strict=True):
        yield max(cosine, 0.0), coverage(wanted, *told(each))


def _auc(higher: Vector, lower: Vector) -> float:
    """Chance that one of `higher` is above one of `lower`; ties count half (Mann and Whitney, 1947)."""
    return float((higher[:, None] > lower).mean() + (higher[:, None] == lower).mean() / 2)


def _fitted(values: Vector, labels: Vector) -> tuple[float, float]:
    """Slope and intercept of the logistic of greatest likelihood, by Newton's method."""
    design = np.stack((values, np.ones_like(values)), axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        likely = 1 / (1 + np.exp(-design @ weights))
        curvature = design.T @ (design * (likely * (1 - likely))[:, None])
        weights = weights + np.linalg.solve(curvature, design.T @ (labels - likely))
    return float(weights[0]), float(weights[1])


def _figures(asked: Asked) -> Iterator[dict[str, object]]:
    def figure(name: str, value: float, *, least: float = -math.inf, most: float = math.inf) -> dict[str, object]:
        return {"name": name, "value": round(value, 4), "ok": least <= value <= most}

    for name, kinds in asked.best.items():
        answerable, near, foreign = (np.asarray(kinds[kind]) for kind in ("answerable", "near", "foreign"))
        goal = 0.93 if name == "product" else -math.inf
        yield figure(f"auc_{name}", _auc(answerable, np.concatenate((near, foreign))), least=goal)
        yield figure(f"auc_near_{name}", _auc(answerable, near))
        yield figure(f"auc_foreign_{name}", _auc(answerable, foreign))
    kinds = asked.best["product"]
    every = np.concatenate([kinds[kind] for kind in ("answerable", "near", "foreign")])
    slope, intercept = _fitted(every, (np.arange(len(every)) < len(kinds["answerable"])).astype(float))
    yield figure("fitted_slope", slope)
    yield figure("fitted_intercept", intercept)
    for share in (0.95, 0.96, 0.97):
        cut = float(np.quantile(kinds["answerable"], 1 - share))
        yield figure(f"threshold_at_{share:.0%}", relevance(cut, 1.0))
    for kind, values in kinds.items():
        yield figure(f"questions_{kind}", len(values))
        least, most = (0.93, 1.0) if kind == "answerable" else (0.0, 0.06 if kind == "foreign" else 1.0)
        yield figure(f"answered_{kind}", _answered(values), least=least, most=most)
    for name, values in asked.by_set.items():
        yield figure(f"answered_answerable_{name}", _answered(values))


def _answered(products: Sequence[float]) -> float:
    return float(np.mean([relevance(product, 1.0) >= THRESHOLD for product in products]))


async def _main(flags: argparse.Namespace) -> None:
    folders = [ROOT / "tests/eval/tandem-docs", *flags.sets]
    sets = [_cut_down(read_labelled(each), flags.documents, flags.questions) for each in folders if each.is_dir()]
    if len(sets) < 2:
        sys.exit("Two labelled sets at least: name folders in BEIR's layout with --sets.")
    asked = Asked()
    with tempfile.TemporaryDirectory(prefix="tandem-threshold-") as scratch:
        settings = load_settings(None, data_dir=Path(scratch))
        async with (
            parts.shared(parts.embedder(settings)) as dense,
            parts.local_features(settings, dense) as (retriever, ingestor),
        ):
            for each in sets:
                await _fill(each, ingestor)
                print(f"{each.name}: {len(each.documents)} documents, {len(each.queries)} questions", file=sys.stderr)
            await _ask(asked, sets, retriever)
    figures = list(_figures(asked))
    for row in figures:
        print(json.dumps(row) if flags.json else f"{row['name']:<32} {row['value']}")
    sys.exit(0 if all(row["ok"] for row in figures) else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    shared = ROOT.parent / "shared/eval"
    parser.add_argument("--sets", type=Path, nargs="*", default=[shared / "xquad-en", shared / "scifact"])
    parser.add_argument("--documents", type=int, default=500, help="most documents of one set")
    parser.add_argument("--questions", type=int, default=200, help="most questions of one set")
    asyncio.run(_main(parser.parse_args()))
