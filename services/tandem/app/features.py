"""The feature pipeline in the settings: how documents become vectors, and how questions find them."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from tandem.app.group import Group
from tandem.ports.vectors import FUSION_K


class Vectors(Group):
    """The vector store."""

    url: str | None = None
    """A Qdrant server, e.g. http://qdrant:6333. Without it Qdrant's engine runs in this process, under `data_dir`."""
    api_key: SecretStr | None = None
    """Qdrant's API key."""
    grpc_port: int | None = Field(default=None, ge=1, le=65535)
    """Use gRPC on this port (a third of REST's CPU)."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Upper bound of one call, and of the wait for a turn."""
    connect_timeout_s: float = Field(default=2.0, gt=0)
    """To open a connection; then a second try, which in a cluster mostly reaches another node."""
    max_concurrency: int = Field(default=32, ge=1)
    """Searches at a time; others wait for their turn, and who would wait longer than it has is refused at once."""
    max_writes: int = Field(default=4, ge=1)
    """Writes to the server at a time, by each process; other documents wait."""
    write_patience_s: float = Field(default=30.0, ge=0)
    """How long a write waits in all for a server that is full (429) or away; its Retry-After is honoured."""
    shard_number: int | None = Field(default=None, ge=1)
    """Shards of a collection that is made; unset, as for the next two: what the Qdrant cluster's own configuration says."""
    replication_factor: int | None = Field(default=None, ge=1)
    """Copies of each shard of a collection that is made, on as many nodes."""
    write_consistency_factor: int | None = Field(default=None, ge=1)
    """Copies that must confirm a write to a collection that is made; as many as there are: writes wait while a node is away."""
    read_consistency: Annotated[int, Field(ge=1)] | Literal["majority", "quorum", "all"] | None = None
    """Copies that a search asks, and how many of them have to agree; unset: one that is there."""

    @model_validator(mode="after")
    def _copies_fit(self) -> Self:
        copies = self.replication_factor
        for name in ("write_consistency_factor", "read_consistency"):
            wanted = getattr(self, name)
            if copies is not None and isinstance(wanted, int) and wanted > copies:
                raise ValueError(f"vectors.{name} is {wanted}, but vectors.replication_factor keeps {copies} copies")
        return self


class Embedder(Group):
    """The embedding model."""

    url: str | None = None
    """A server with the model, without a path. Without it the model runs in this process."""
    protocol: Literal["tei", "openai"] = "tei"
    """What the server speaks: text-embeddings-inference's, or OpenAI's `/v1/embeddings`."""
    model: str = "minilm"
    """In process: `minilm` (all-MiniLM-L6-v2, int8 ONNX). At a TEI: what it must run, if set. By OpenAI's protocol: the name to ask for."""
    api_key: SecretStr | None = None
    """Sent as Bearer key."""
    tokenizer: str | None = None
    """How a server's tokens are counted here: `bert-uncased` (shipped; MiniLM, BGE, E5 and GTE share it), a path to a tokenizer.json, or ORG/NAME[@REVISION] of the hub. Unset: an estimate that is rather too high."""
    max_tokens: int | None = Field(default=None, ge=64)
    """Tokens at which a server's texts are cut; unset: what a TEI says that it takes, 512 by OpenAI's protocol."""
    batch_tokens: int | None = Field(default=None, ge=64)
    """Padded tokens of one call; unset: what a TEI says that it takes, 16384 by OpenAI's protocol."""
    query_prefix: str = ""
    """Put before a question, as E5's models want it: `query: `."""
    document_prefix: str = ""
    """Put before a chunk: `passage: `."""
    max_concurrency: int = Field(default=4, ge=1)
    """Calls to the server that embed documents at a time."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Upper bound of one call."""
    patience_s: float = Field(default=60.0, ge=0)
    """How long documents wait in all for a server that is full (429) or away; questions never do."""
    threads: int = Field(default=0, ge=0)
    """In process: threads of one inference; 0 means one per core less one, at least one."""
    sparse_language: str = "english"
    """Stemmer and stop words of the sparse vectors."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.url is None and self.model != "minilm":
            raise ValueError("embedder.model is not minilm, the one in this process: set embedder.url to its server")
        if self.url is not None and self.protocol == "openai" and self.model == "minilm":
            raise ValueError("embedder.model is missing: OpenAI's protocol wants the name of the model")
        return self


class Reranker(Group):
    """The second look at the candidates."""

    url: str | None = None
    """A server that speaks TEI's `/rerank`."""
    timeout_s: float = Field(default=5.0, gt=0)
    """Upper bound of one call."""
    model: str | None = None
    """A cross-encoder in this process instead: a folder with model.onnx and tokenizer.json, or hf://org/repo@revision."""
    threads: int = Field(default=0, ge=0)
    """Threads of one inference of the cross-encoder; 0 means one per core less one, at least one."""
    max_tokens: int = Field(default=512, ge=16, le=8192)
    """Longest pair of question and passage that the cross-encoder reads; the passage is cut."""

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.url is not None and self.model is not None:
            raise ValueError("reranker.url and reranker.model exclude each other")
        return self


class Expand(Group):
    """Other words for a question, by the predictor."""

    mode: Literal["off", "multi_query", "hyde"] = "multi_query"
    """`multi_query` asks for the question in other words, `hyde` for a passage that would answer it; `off`: never, whatever a request asks for."""
    always: bool = False
    """Expand unless the request says otherwise; else only when it asks for it."""
    queries: int = Field(default=3, ge=1, le=8)
    """Other words of `multi_query`, at most."""
    weight: float = Field(default=0.25, gt=0, le=10)
    """How much the ranks of what other words found count, beside 1 for the question's own."""
    max_tokens: int = Field(default=96, ge=16, le=1024)
    """The most that the model writes."""
    timeout_s: float = Field(default=3.0, gt=0)
    """Longest time for it; the request's deadline may be nearer."""
    multi_query_prompt: str = "multi-query@1"
    """Template of `multi_query`; your own lie in `prompts_dir`/rewrites."""
    hyde_prompt: str = "hyde@1"
    """Template of `hyde`."""


class Retrieval(Group):
    """From question to passages."""

    enabled: bool = True
    """`false`: the conversation goes to the model as it is, without passages, template or citations."""
    collection: str = Field(default="docs", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """The collection asked when the request names none."""
    top_k: int = Field(default=5, ge=1, le=50)
    """Passages handed to the prompt."""
    candidates: int = Field(default=30, ge=1, le=200)
    """Passages recalled by each leg before fusion."""
    dense_weight: float = Field(default=1.0, gt=0, le=100)
    """How much the ranks of the search by meaning count in the fusion."""
    sparse_weight: float = Field(default=1.0, gt=0, le=100)
    """How much the ranks of the search by words count."""
    fusion_k: int = Field(default=FUSION_K, ge=1, le=1000)
    """Reciprocal rank fusion adds `weight / (k + rank)`: the smaller, the more the first places count."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Relevance below which Tandem says that it does not know; unset: the measured default of the embedder."""
    rerank: bool = True
    """Rerank unless the request says otherwise."""
    diversity: float = Field(default=0.0, ge=0, le=1)
    """How much variety among the passages counts; 0 ranks them by relevance alone."""
    neighbours: Annotated[int, Field(ge=0, le=5)] | Literal["section"] = 0
    """Chunks added before and after each passage, or `section` for all of its section, as far as `max_passage_tokens` allows."""
    max_passage_tokens: int = Field(default=1500, ge=64)
    """Token budget of all passages in one prompt."""
    suspicious: Literal["flag", "demote", "drop"] = "flag"
    """What becomes of a passage that speaks to the model: told in its `flags`, put behind all others as well, or left out."""
    budget_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a request's time, as it is left when retrieval begins, that retrieval may take; the rest is the model's."""
    standalone: Literal["rules", "model"] = "rules"
    """Who makes a follow-up stand alone: rules, or the predictor with the rules as its fallback."""
    standalone_prompt: str = "standalone@1"
    """Template of `standalone: model`."""
    self_query: Literal["off", "rules", "model"] = "rules"
    """Who reads conditions on documents out of a question: rules, or the predictor beside them. `off`: only when a request asks for it, by rules."""
    self_query_prompt: str = "self-query@1"
    """Template of `self_query: model`."""
    model_timeout_s: float = Field(default=2.0, gt=0)
    """Longest time for each of those two; the request's deadline may be nearer."""
    expand: Expand = Expand()
    on_failure: Literal["fail", "answer_without"] = "fail"
    """When nothing can be searched: `fail` answers 503 or 504; `answer_without` lets the model answer by itself, and says so."""


class SyncedSource(Group):
    """A place that is kept in a collection."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")
    """For metrics and logs."""
    place: str = Field(min_length=1)
    """What `tandem ingest` takes: a folder, a URL, a repository, a bucket; a topic is followed instead."""
    collection: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """Where its documents go; unset: `retrieval.collection`."""
    tenant: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")
    """Whose they are."""
    every_s: float = Field(default=3600.0, ge=1)
    """From the beginning of one round to that of the next; what has not changed costs a look."""
    prune: bool = False
    """Delete documents of the place that are no longer there."""


INGEST: Literal["ingest"] = "ingest"
QUESTIONS: Literal["questions"] = "questions"


class Worker(Group):
    """A process for what nobody waits for: `--target worker`. In `all` the same goes on inside."""

    queues: frozenset[Literal["ingest", "answers", "batches", "questions"]] = Field(
        default=frozenset({"ingest"}), min_length=1
    )
    """What it takes on: `ingest` keeps `ingestion.sources`, `answers` answers jobs, `batches` the lines of batches, `questions` those of topics. Gateways answer what no worker takes on."""
    peers: str | None = None
    """A name with the addresses of all workers, such as a headless Service: they share the documents. Unset: there is one."""
    address: str | None = None
    """This worker's own address among them."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.peers is None) != (self.address is None):
            raise ValueError("worker.peers and worker.address go together")
        return self


class Ingestion(Group):
    """From bytes to chunks."""

    chunk_tokens: int = Field(default=200, ge=32, le=254)
    """Largest chunk, in the embedder's tokens."""
    chunk_overlap: int = Field(default=32, ge=0)
    """Tokens that neighbouring chunks share."""
    site_interval_s: float = Field(default=0.5, ge=0)
    """Seconds between two requests to a site that is ingested by its sitemap; its robots.txt may ask for more."""
    max_document_bytes: int = Field(default=50_000_000, ge=1024)
    """Largest document."""
    max_text_chars: int = Field(default=10_000_000, ge=1024)
    """Most text one document may unfold to."""
    load_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time to read one document's format."""
    load_memory_mb: int = Field(default=1024, ge=256)
    """Most memory of the process that reads formats."""
    sources: tuple[SyncedSource, ...] = ()
    """Places that workers keep in collections, round by round; so does `all`."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("two of ingestion.sources have the same name")
        return self


class Cache(Group):
    """What was found or answered before, given again, in each process's memory."""

    retrieval: bool = False
    """Keep what questions found, beside the store. Writes and promotions of this process count at once, others' after `ttl_s`."""
    answers: Literal["off", "greedy", "all"] = "off"
    """Keep answers: `greedy` those asked for with temperature 0, and those whose request sets `tandem.cache`; `all` every one."""
    match: Literal["exact", "semantic"] = "exact"
    """What counts as the same question: its text but for case and space, or its words but for their endings and the way of asking."""
    max_bytes: int = Field(default=64_000_000, ge=100_000)
    """Memory of each of the two; the least recently used goes first."""
    ttl_s: float = Field(default=300.0, gt=0)
    """Seconds after which an entry is worked out anew."""
