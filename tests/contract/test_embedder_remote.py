"""An embedding server as the feature pipeline meets it: full, away, wrong, or with another model than before."""

import asyncio
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from fakes.embedding_server import EmbeddingServer
from fakes.live import live
from tandem.adapters.embeddings.minilm.wordpieces import WordPieces
from tandem.adapters.embeddings.remote import openai_embedder, tei_embedder
from tandem.adapters.embeddings.remote.counting import Estimate, counter
from tandem.adapters.embeddings.remote.embedder import Prefixes
from tandem.adapters.embeddings.remote.posts import Waits
from tandem.domain.errors import ConfigurationError, Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable

DOCS = Path(__file__).parents[2] / "docs"
IMPATIENT = Waits(timeout_s=5.0, patience_s=0.0)


class Pauses:
    """Nobody waits: what would have been waited is written down."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def full(retry_after: str | None = None) -> Response:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return JSONResponse({"error": "Model is overloaded", "error_type": "overloaded"}, status_code=429, headers=headers)


async def test_asks_as_the_protocols_say() -> None:
    server = EmbeddingServer()
    async with live(server.app) as url:
        async with tei_embedder(f"{url}/", api_key="secret") as tei:
            await tei.embed(["green tea"], "document")
        assert server.asked[-1] == {"inputs": ["green tea"], "normalize": True, "truncate": True}
        assert server.headers[-1]["authorization"] == "Bearer secret"
        async with openai_embedder(url, model="m") as openai:
            await openai.embed(["green tea"], "query")
        assert server.asked[-1] == {"model": "m", "input": ["green tea"], "encoding_format": "float"}


async def test_the_card_comes_from_the_server() -> None:
    async with live(EmbeddingServer(dimensions=48).app) as url:
        async with tei_embedder(url) as tei:
            assert (tei.card.name, tei.card.dimensions, tei.card.max_tokens) == (
                "org/hashing@01234567+estimate-1", 48, 256,
            )  # fmt: skip
        async with tei_embedder(url, max_tokens=100, prefixes=Prefixes("query: ", "passage: ")) as other:
            assert other.card.max_tokens == 100
            assert other.card.name.startswith("org/hashing@01234567+estimate-1+prefixes-")
        async with openai_embedder(url, model="m", tokenizer="bert-uncased") as openai:
            assert (openai.card.name, openai.card.dimensions) == ("m+bert-uncased", 48)


async def test_prefixes_tell_questions_from_documents() -> None:
    server = EmbeddingServer()
    async with live(server.app) as url, tei_embedder(url, prefixes=Prefixes("query: ", "passage: ")) as tei:
        await tei.embed(["tea"], "query")
        await tei.embed(["tea"], "document")
    assert [body["inputs"] for body in server.asked[-2:]] == [["query: tea"], ["passage: tea"]]


async def test_batches_hold_like_lengths_and_what_the_server_takes() -> None:
    server = EmbeddingServer(max_texts=8)
    texts = ["tea " * (1 + 37 * number % 200) for number in range(50)]
    async with live(server.app) as url, tei_embedder(url, tokenizer="bert-uncased") as tei:
        await tei.embed(texts, "document")
    sent = [[len(text.split()) for text in body["inputs"]] for body in server.asked[1:]]
    assert sorted(words for batch in sent for words in batch) == sorted(len(text.split()) for text in texts)
    assert all(len(batch) <= 8 and len(batch) * (max(batch) + 2) <= 2048 for batch in sent)
    assert max(max(batch) - min(batch) for batch in sent) < 60


async def test_documents_wait_for_a_server_that_is_full_or_away() -> None:
    pauses = Pauses()
    server = EmbeddingServer(answers=[None, full("3"), full(), Response(status_code=503), Response(status_code=502)])
    async with live(server.app) as url, tei_embedder(url, pause=pauses) as tei:
        assert len(await tei.embed(["green tea"], "document")) == 1
    assert pauses.seconds == [3.0, 0.5, 1.0, 2.0]


async def test_patience_has_an_end() -> None:
    pauses = Pauses()
    server = EmbeddingServer(answers=[None, *[full("4") for _ in range(20)]])
    async with live(server.app) as url, tei_embedder(url, waits=Waits(5.0, 10.0), pause=pauses) as tei:
        with pytest.raises(Overloaded):
            await tei.embed(["green tea"], "document")
    assert pauses.seconds == [4.0, 4.0]


async def test_a_question_is_told_at_once() -> None:
    pauses = Pauses()
    async with live(EmbeddingServer(answers=[None, full("3")]).app) as url, tei_embedder(url, pause=pauses) as tei:
        with pytest.raises(Overloaded) as caught:
            await tei.embed(["green tea"], "query")
    assert caught.value.retry_after_s == 3.0
    assert pauses.seconds == []


async def test_so_many_calls_of_documents_run_at_a_time() -> None:
    server = EmbeddingServer(max_texts=2, delay_s=0.01)
    async with live(server.app) as url, tei_embedder(url, at_once=3) as tei:
        await asyncio.gather(*(tei.embed(["tea", "coffee"] * 5, "document") for _ in range(4)))
    assert server.most_running == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(status_code=502), UpstreamUnavailable),
        (JSONResponse({"error": "no"}, status_code=401), UpstreamFailed),
        (Response(status_code=404), UpstreamFailed),
        (JSONResponse({"error": "too long"}, status_code=413), UpstreamFailed),
        (Response("<html>"), UpstreamFailed),
        (JSONResponse({}), UpstreamFailed),
        (JSONResponse([]), UpstreamFailed),
        (JSONResponse([["a"]]), UpstreamFailed),
        (JSONResponse([[1.0] * 63]), UpstreamFailed),
        (JSONResponse([[0.0] * 64]), UpstreamFailed),
        (JSONResponse([[1.0] * 64, [1.0] * 64]), UpstreamFailed),
        (JSONResponse({"data": [{"index": 3, "embedding": [1.0] * 64}]}), UpstreamFailed),
        (Response(status_code=302, headers={"location": "http://127.0.0.1:9/"}), UpstreamFailed),
    ],
)
async def test_failures_in_our_own_terms(answer: Response, error: type[TandemError]) -> None:
    server = EmbeddingServer(answers=[None, answer, None, answer])
    async with live(server.app) as url:
        async with tei_embedder(url, waits=IMPATIENT) as tei:
            with pytest.raises(error) as caught:
                await tei.embed(["green tea"], "document")
        assert caught.value.hint or "length" in caught.value.message
        async with openai_embedder(url, model="m", waits=IMPATIENT) as openai:
            with pytest.raises(error):
                await openai.embed(["green tea"], "document")


async def test_another_model_than_configured_is_refused() -> None:
    async with live(EmbeddingServer().app) as url:
        with pytest.raises(ConfigurationError, match="runs org/hashing"):
            async with tei_embedder(url, model="org/other"):
                pass


async def test_nobody_listens() -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        async with tei_embedder("http://127.0.0.1:9"):
            pass
    assert caught.value.hint


async def test_what_is_no_url() -> None:
    with pytest.raises(TandemError):
        async with openai_embedder("no url", model="m"):
            pass


async def test_a_silent_server_is_given_up() -> None:
    server = EmbeddingServer()
    async with live(server.app) as url, tei_embedder(url, waits=Waits(0.1, 0.0)) as tei:
        server.delay_s = 1.0
        with pytest.raises(UpstreamUnavailable, match=r"0\.1 s"):
            await tei.embed(["tea"], "query")


async def test_a_text_over_the_limit_is_cut_by_its_own_tokens() -> None:
    server = EmbeddingServer()
    async with live(server.app) as url, openai_embedder(url, model="m", tokenizer="bert-uncased", max_tokens=64) as one:
        await one.embed(["tea and coffee " * 500], "query")
    (sent,) = server.asked[-1]["input"]
    assert 50 <= WordPieces().count(sent) <= 62


def test_the_estimate_is_rather_too_high() -> None:
    """On the chunks of our own documents, held against the tokenizer of BERT's family."""
    exact, estimate = WordPieces(), Estimate()
    texts = [text for page in DOCS.glob("*.md") for text in page.read_text("utf-8").split("\n\n") if text.strip()]
    assert len(texts) > 300
    ratios = [estimate.count(text) / max(1, exact.count(text)) for text in texts if exact.count(text) >= 20]
    assert sum(ratio < 1 for ratio in ratios) <= len(ratios) / 20
    assert min(ratios) > 0.8
    assert 1.0 < sum(ratios) / len(ratios) < 1.6


@pytest.mark.parametrize("name", ["no/such/file.json", __file__, "nowhere.json"])
def test_what_is_no_tokenizer_is_said(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        counter(name)
    assert caught.value.hint


def test_a_tokenizer_from_its_file(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "services/tandem/adapters/embeddings/minilm/tokenizer.json"
    (tmp_path / "tokenizer.json").write_text(shipped.read_text("utf-8"), "utf-8")
    chosen = counter(str(tmp_path / "tokenizer.json"))
    assert chosen.name.startswith("tokenizer-")
    assert chosen.count("untokenizable tea \ud800") == WordPieces().count("untokenizable tea \ud800")
