"""Does the whole retrieval rank better than BM25 alone and dense vectors alone, and what of a core does it take itself?

Each labelled set has an embedded store of its own, kept from run to run (one that `tandem eval --keep` made will do). Its answerable questions go through the real
pipeline; the legs alone are what the same search found by words and by meaning. Differences are paired, question by
question, with a 95 % bootstrap interval and the p of a randomisation test; they are told for all questions and for the
half that no setting was chosen on (by a hash of the question's id).
"""

import argparse
import asyncio
import json
import os
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tandem.adapters.embeddings.bm25 import Bm25Embedder
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.sources.beir import read_labelled
from tandem.app import parts
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings, load_settings
from tandem.app.wording import planner
from tandem.domain.context import RequestContext
from tandem.domain.passage import Passage, Trace
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.evaluating import COLLECTION, fill, names
from tandem.pipeline.retrieving import Retrieving
from tandem.ports.embedder import DenseVector, Embedder, EmbedKind
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever
from tandem.retrieval.blend import Blend
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import scores
from tandem.retrieval.significance import difference
from tandem.retrieval.suspicion import flags_of

if TYPE_CHECKING:
    from tandem.adapters.qdrant.engine import Engine

ROOT = Path(__file__).parents[2]
CONTEXT = RequestContext("bench")
STAGES = ("dense", "sparse", "fused", "reranked")
# Chunks are mapped back to documents, so more of them than the ten documents that count.
_DEPTH = 50
# On fewer questions no interval is narrow enough to say which of two good rankings is the better one.
_ENOUGH = 200
_OWN_CPU_GOAL_MS = 3.0
_ROUNDS = 7
Figure = dict[str, object]


class Remembering:
    """An embedder that computes each text once, so that its own time is not counted."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, DenseVector] = {}
        self.card = embedder.card

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        new = [text for text in texts if text not in self._known]
        self._known.update(zip(new, await self._embedder.embed(new, kind), strict=True))
        return [self._known[text] for text in texts]


class Replaying:
    """A store's engine that searches for each query once; reading what it found is Tandem's own work, and counted."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._known: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def query(self, name: str, dense: DenseVector, sparse: Any, where: Any, limit: int, **more: Any) -> Any:
        key = (name, tuple(dense), sparse, where, limit)
        if key not in self._known:
            self._known[key] = await self._engine.query(name, dense, sparse, where, limit, **more)
        return self._known[key]


async def _ndcg(found: LabelledSet, retriever: Retriever) -> dict[str, dict[str, float]]:
    """By stage and question."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    called = names(found)

    def documents(passages: Sequence[Passage]) -> list[str]:
        return list(dict.fromkeys(called[passage.chunk.document_id] for passage in passages))

    for query, relevant in found.qrels.items():
        options = RetrievalOptions(COLLECTION, top_k=_DEPTH, explain=True)
        trace = (await retriever.retrieve(found.queries[query], options, CONTEXT)).trace or Trace()
        for stage in STAGES:
            values[stage][query] = scores(documents(getattr(trace, stage)), relevant)["ndcg@10"]
    return values


async def _whole(found: LabelledSet, ingestor: Ingestor) -> bool:
    """True when the kept index holds all documents, made as they would be made now."""
    kept = [each for each in await ingestor.collections(CONTEXT) if each.name == COLLECTION]
    made = getattr(ingestor, "recipe", None)
    return bool(kept) and kept[0].documents == len(found.documents) and kept[0].recipe == made


def _held_out(query: str) -> bool:
    return zlib.crc32(query.encode()) % 2 == 1


def _figures(name: str, values: dict[str, dict[str, float]]) -> Iterator[Figure]:
    for stage in STAGES:
        yield {
            "name": f"{name}_ndcg10_{stage}",
            "value": round(_mean(values[stage].values()), 4),
            "goal": None,
            "ok": True,
        }
    for alone, leg in (("bm25", "sparse"), ("dense", "dense")):
        for half, queries in (
            ("", list(values[leg])),
            ("_held_out", [each for each in values[leg] if _held_out(each)]),
        ):
            gain = difference([values[leg][each] for each in queries], [values["reranked"][each] for each in queries])
            sure = gain.questions >= _ENOUGH
            yield {
                "name": f"{name}_gain_over_{alone}{half}",
                "value": round(gain.mean, 4),
                "low": round(gain.low, 4),
                "high": round(gain.high, 4),
                "p": round(gain.p, 4),
                "questions": gain.questions,
                "goal": "low > 0" if sure else "> 0",
                "ok": half != "" or (gain.low if sure else gain.mean) > 0,
            }


async def _own_cpu_ms(settings: Settings, embedder: Embedder, found: LabelledSet) -> float:
    """CPU of one query, defaults, beside embedding and search; the reranker of the defaults is Python and counted."""
    clock = SystemClock()
    async with parts.vectors(settings) as store:
        engine = store._engine  # type: ignore[attr-defined]
        replayed = QdrantVectors(cast("Engine", Replaying(engine)))
        sparse = Bm25Embedder(language=settings.embedder.sparse_language)
        retrieving = Retrieving(
            Remembering(embedder),
            sparse,
            replayed,
            Blend(),
            clock,
            parts.retrieval_defaults(settings),
            planner(settings, replayed, clock),
        )
        questions = [found.queries[query] for query in found.qrels][:_ENOUGH]
        options = RetrievalOptions(COLLECTION)

        async def once() -> float:
            # In a large collection hardly a passage is one that was found before.
            flags_of.cache_clear()
            began = time.process_time()
            for question in questions:
                await retrieving.retrieve(question, options, CONTEXT)
            return (time.process_time() - began) * 1e3 / len(questions)

        await once()
        # Whatever else the machine does only adds to it.
        return min([await once() for _ in range(_ROUNDS)])


async def _main(flags: argparse.Namespace) -> None:
    sets = [read_labelled(each) for each in (ROOT / "tests/eval/tandem-docs", *flags.sets) if each.is_dir()]
    ok = True
    for each in sets:
        print(f"{each.name}: {len(each.documents)} documents, {len(each.qrels)} questions", file=sys.stderr)
        settings = load_settings(None, data_dir=flags.keep / each.name)
        async with parts.shared(parts.embedder(settings)) as dense:
            async with parts.local_features(settings, dense) as (retriever, ingestor):
                if not await _whole(each, ingestor):
                    await fill(each, ingestor, CONTEXT, lambda *_: None)
                for figure in _figures(each.name, await _ndcg(each, retriever)):
                    ok &= _told(figure, flags.json)
            value = await _own_cpu_ms(settings, await dense(), each)
            figure = {"name": f"{each.name}_own_cpu_ms", "value": round(value, 3), "goal": _OWN_CPU_GOAL_MS}
            ok &= _told(figure | {"ok": value <= _OWN_CPU_GOAL_MS}, flags.json)
    sys.exit(0 if ok else 1)


def _mean(values: Any) -> float:
    every = list(values)
    return float(sum(every) / len(every))


def _told(figure: Figure, as_json: bool) -> bool:
    more = "".join(f"  {name} {figure[name]}" for name in ("low", "high", "p", "questions") if name in figure)
    said = f"{figure['name']:<40} {figure['value']}{more}{'' if figure['ok'] else '  MISSED'}"
    print(json.dumps(figure) if as_json else said, flush=True)
    return bool(figure["ok"])


def _kept() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem/bench-retrieval"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    shared = ROOT.parent / "shared/eval"
    parser.add_argument("--sets", type=Path, nargs="*", default=[shared / "xquad-en", shared / "scifact"])
    parser.add_argument("--keep", type=Path, default=_kept(), help="where the indexes are kept, a folder per set")
    asyncio.run(_main(parser.parse_args()))
