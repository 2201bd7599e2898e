"""The whole HTTP surface over doubles."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from starlette.testclient import TestClient

from fakes.answers import OneModel, OneRetrieval, ScriptedAnswers
from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.scripted.batches import ScriptedBatches
from tandem.adapters.scripted.deliveries import ScriptedDeliveries
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.adapters.scripted.feedback import ScriptedFeedback
from tandem.adapters.scripted.files import ScriptedFiles
from tandem.adapters.scripted.follow_jobs import ScriptedFollowJobs
from tandem.adapters.scripted.forgotten import ScriptedForgotten
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.adapters.scripted.releases import ScriptedReleases
from tandem.admission.identity import Identity
from tandem.admission.keys import Key
from tandem.admission.quotas import Quotas
from tandem.admission.store_watch import StoreWatch
from tandem.app.clock import SystemClock
from tandem.domain.tenants import Tenants
from tandem.http.lifecycle import Lifecycle
from tandem.http.middleware.shedding import Refusal
from tandem.http.routers.batches import batches_router
from tandem.http.routers.chat import chat_router
from tandem.http.routers.collections import collections_router
from tandem.http.routers.documents import documents_router
from tandem.http.routers.embeddings import embeddings_router
from tandem.http.routers.feedback import feedback_router
from tandem.http.routers.files import files_router
from tandem.http.routers.hooks import ROOT as HOOKS
from tandem.http.routers.hooks import hooks_router
from tandem.http.routers.jobs import jobs_router
from tandem.http.routers.models import models_router
from tandem.http.routers.operations import operations_router
from tandem.http.routers.peer_feedback import peer_feedback_router
from tandem.http.routers.peer_receipts import peer_receipts_router
from tandem.http.routers.personal import personal_router
from tandem.http.routers.receipts import receipts_router
from tandem.http.routers.releases import releases_router
from tandem.http.routers.retrieval import retrieval_router
from tandem.http.routers.syncing import syncing_router
from tandem.http.routers.versions import versions_router
from tandem.http.web import web_app
from tandem.http.wire.batches import written_line
from tandem.observe.metrics import Metrics
from tandem.observe.privacy import PrivacyMetrics
from tandem.pipeline.batches.desk import BatchDesk, BatchDeskRules
from tandem.pipeline.feedback.giving import GivingFeedback
from tandem.pipeline.feedback.rated import RatedAnswers
from tandem.pipeline.in_flight import InFlight
from tandem.pipeline.jobs.desk import DeskRules, JobDesk
from tandem.pipeline.jobs.following import Following
from tandem.pipeline.privacy.capture import Privacy
from tandem.pipeline.privacy.personal import PersonalData, Places
from tandem.pipeline.privacy.standard import redaction
from tandem.pipeline.privacy.users import Users
from tandem.pipeline.privacy.withholding import Forgettable
from tandem.pipeline.receipts import ReadReceipts
from tandem.pipeline.releases.desk import ReleaseDesk
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.ports.receipts import Receipts
from tandem.prompting.templates import Templates

# Of registries' webhooks.
SECRET = "a secret of the registry"


class Api:
    """Doubles, and the application over them."""

    def __init__(
        self,
        *,
        answers: ScriptedAnswers | None = None,
        model: OneModel | None = None,
        retriever: Any = None,
        ingestor: Any = None,
        keys: Sequence[Key] = (),
        trust_tenant: bool = False,
        open_groups: Sequence[str] = (),
        tenants: Tenants | None = None,
        local_only: bool = False,
        keep_alive_s: float = 15.0,
        max_body_bytes: int = 2_000_000,
        max_document_bytes: int = 5_000_000,
        request_timeout_s: float = 30.0,
        refusal: Refusal | None = None,
        receipts: Receipts | None = None,
        captures: bool = True,
        hooks: bool = True,
    ) -> None:
        self.clock = SystemClock()
        self.metrics = Metrics("0.0.0", "test")
        self.lifecycle = Lifecycle()
        self.answers = answers or ScriptedAnswers()
        self.retriever = retriever or OneRetrieval()
        self.ingestor = ingestor or ScriptedIngestor()
        self.receipts = receipts or ScriptedReceipts()
        self.feedback, self.forgotten = ScriptedFeedback(), ScriptedForgotten()
        self.releases = ScriptedReleases()
        self.follow_jobs = ScriptedFollowJobs("llama")
        meter, users = PrivacyMetrics(self.metrics), Users(b"a key for the tests")
        private = Privacy(lambda _: captures, redaction(("email", "key"), (), {}), users, meter)
        reading = ReadReceipts(self.receipts, InFlight(), private.user, self.feedback)
        places = Places(self.receipts, self.feedback, self.forgotten)
        forgettable = Forgettable(self.forgotten, lambda _: None, self.clock)
        served = model or OneModel()
        quotas = None if tenants is None else self._quotas(tenants)
        self.jobs, self.files = ScriptedJobs(self.clock), ScriptedFiles()
        self.batches = ScriptedBatches(self.jobs, self.files, self.clock)
        deliveries = ScriptedDeliveries(self.jobs, self.clock)
        jobs = JobDesk(self.jobs, deliveries, self.clock, DeskRules(100), lambda _: 1.0, Following(self.jobs))
        batches = BatchDesk(self.files, self.batches, BatchDeskRules(), lambda _: 1.0, written_line)
        self.app = web_app(
            [
                chat_router(
                    self.answers,
                    collection="docs",
                    clock=self.clock,
                    meter=self.metrics,
                    keep_alive_s=keep_alive_s,
                ),
                models_router(served.models),
                embeddings_router(_embedder, clock=self.clock, quotas=quotas),
                retrieval_router(self.retriever, collection="docs", clock=self.clock),
                documents_router(self.ingestor, collection="docs"),
                collections_router(self.ingestor),
                syncing_router(self.ingestor),
                versions_router(self.ingestor),
                releases_router(
                    ReleaseDesk(
                        self.releases,
                        self.ingestor.versions,
                        self.clock,
                        Templates({}).known,
                        (),
                        GoldenAsking(lambda _: self.answers, "docs"),
                    )
                ),
                receipts_router(reading, clock=self.clock),
                peer_receipts_router(self.receipts),
                feedback_router(
                    GivingFeedback(reading, self.feedback, private, self.clock, meter),
                    RatedAnswers(self.receipts, self.feedback),
                ),
                peer_feedback_router(self.feedback, self.forgotten),
                personal_router(PersonalData(places, users, forgettable, self.clock, meter)),
                jobs_router(jobs, collection="docs", alias="tandem", clock=self.clock),
                files_router(batches, clock=self.clock, keep_s=60.0),
                batches_router(batches, clock=self.clock),
                hooks_router(self.follow_jobs if hooks else None, SECRET if hooks else None, self.clock),
                operations_router(self.lifecycle, self.metrics.registry, version="0.0.0", target="test"),
            ],
            version="0.0.0",
            clock=self.clock,
            meter=self.metrics,
            lifecycle=self.lifecycle,
            identity=Identity(keys, trust_tenant=trust_tenant, open_groups=open_groups),
            quotas=quotas,
            refusal=refusal,
            max_body_bytes=max_body_bytes,
            max_document_bytes=max_document_bytes,
            max_file_bytes=100_000,
            request_timeout_s=request_timeout_s,
            open_paths=(HOOKS,),
            local_only=local_only,
        )

    def described(self) -> dict[str, Any]:
        """The OpenAPI document, as it is served."""
        with TestClient(self.app, base_url="http://127.0.0.1") as client:
            document: dict[str, Any] = client.get("/openapi.json").json()
            return document

    def _quotas(self, tenants: Tenants) -> Quotas:
        ids = (f"lease-{n}" for n in count())
        watch = StoreWatch(MemoryQuotas(self.clock), self.metrics)
        return Quotas(tenants, watch, self.clock, meter=self.metrics, new_id=lambda: next(ids))


async def _embedder() -> HashingEmbedder:
    return HashingEmbedder()
