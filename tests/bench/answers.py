"""Which engine answers better, given the gold passage among others: share of answers that contain the gold span.

Needs a labelled set with `answers.jsonl` (XQuAD-en). The default model of `all` is the winner.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.small.extractive import extractive_engine
from tandem.adapters.small.gguf import gguf_engine
from tandem.app.clock import SystemClock
from tandem.app.templates import template_sources
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.generation import Token
from tandem.domain.passage import Passage
from tandem.domain.question import Sampling
from tandem.ports.engine import Engine
from tandem.prompting.templates import Templates

ROOT = Path(__file__).parents[2]
_OPEN = {"context_tokens": 4096, "parallel": 1, "max_concurrent_requests": 4}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _cases(folder: Path, count: int, distractors: int) -> list[tuple[str, list[Passage], list[str]]]:
    rng = random.Random(7)
    corpus = {doc["_id"]: doc["text"] for doc in _lines(folder / "corpus.jsonl")}
    questions = {query["_id"]: query["text"] for query in _lines(folder / "queries.jsonl")}
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels/dev.tsv").read_text().splitlines()[1:])
    answers = {line["_id"]: line["answers"] for line in _lines(folder / "answers.jsonl")}
    cases = []
    for query in rng.sample(sorted(answers), min(count, len(answers))):
        ids = [gold[query], *rng.sample(sorted(corpus.keys() - {gold[query]}), distractors)]
        rng.shuffle(ids)
        cases.append((questions[query], [_passage(each, corpus[each]) for each in ids], answers[query]))
    return cases


def _passage(name: str, text: str) -> Passage:
    return Passage(Chunk(name, 0, text, (), 0, len(text), len(text) // 4), name, name)


async def _share(engine: Engine, cases: Sequence[tuple[str, list[Passage], list[str]]]) -> float:
    templates = Templates(template_sources(None))
    right = 0
    for question, passages, answers in cases:
        prompt = templates.render("answer@1", question, passages)
        async with engine.stream(prompt, Sampling(max_tokens=80, temperature=0), RequestContext("bench")) as events:
            said = "".join([event.text async for event in events if isinstance(event, Token)]).casefold()
        right += any(answer.casefold() in said for answer in answers)
    return right / len(cases)


async def _main(flags: argparse.Namespace) -> None:
    if not (flags.set / "answers.jsonl").is_file():
        sys.exit(f"No labelled set at {flags.set}: name one with --set (a BEIR folder with answers.jsonl).")
    shares = {}
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(minilm_embedder())
        quoting = await stack.enter_async_context(extractive_engine(embedder, clock=SystemClock(), **_OPEN))
        model = await stack.enter_async_context(gguf_engine(flags.model, clock=SystemClock(), **_OPEN))
        for name, engine, count in (("extractive", quoting, flags.count), (flags.model, model, flags.model_count)):
            shares[name] = await _share(engine, _cases(flags.set, count, flags.distractors))
            print(json.dumps({"name": f"gold_span_{name}", "value": round(shares[name], 4), "goal": None, "ok": True}))
    best = shares["extractive"] >= shares[flags.model]
    print(json.dumps({"name": "default_answers_better", "value": best, "goal": True, "ok": best}))
    sys.exit(0 if best else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="output is JSON lines anyway")
    parser.add_argument("--set", type=Path, default=ROOT.parent / "shared/eval/xquad-en")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--count", type=int, default=300, help="questions to the extractive engine")
    parser.add_argument("--model-count", type=int, default=60, help="questions to the model")
    parser.add_argument("--distractors", type=int, default=2, help="other passages beside the gold one")
    asyncio.run(_main(parser.parse_args()))
