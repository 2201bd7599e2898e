"""The predictor's routes: TGI's and OpenAI's requests made into jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tandem.domain.question import Message
from tandem.http.exchange import exchange_of
from tandem.http.predictor.body import read
from tandem.http.predictor.completions import refusal_of, refuse_unsupported_completion
from tandem.http.predictor.conversation import messages_of, refuse_model, refuse_unsupported
from tandem.http.predictor.delivery import Delivery
from tandem.http.predictor.dialects import Dialect
from tandem.http.predictor.gate import Handler
from tandem.http.predictor.job import Job
from tandem.http.predictor.json_schemas import json_schema_of
from tandem.http.predictor.openai_dialect import ChatDialect, CompletionDialect, Stamp
from tandem.http.predictor.requests import ChatRequest, CompletionRequest, GenerateRequest, Parameters
from tandem.http.predictor.tgi_dialect import TgiDialect
from tandem.http.presence import while_wanted
from tandem.http.reply import Json


@dataclass(frozen=True, slots=True)
class Generations:
    """Handlers of every route that costs the model something."""

    delivery: Delivery
    version: str

    def routes(self) -> Sequence[tuple[str, Handler]]:
        """Paths of POST requests."""
        return [
            ("/", self._compatible),
            ("/generate", self._generate),
            ("/generate_stream", self._generate_stream),
            ("/v1/chat/completions", self._chat),
            ("/v1/completions", self._complete),
            ("/tokenize", self._tokenize),
            ("/chat_tokenize", self._chat_tokenize),
        ]

    async def _compatible(self, request: Request) -> Response:
        asked = await read(request, GenerateRequest)
        # Here the prompt belongs to the answer unless it is asked not to.
        return await self._generated(request, asked, streaming=bool(asked.stream), echo=True, listed=True)

    async def _generate(self, request: Request) -> Response:
        return await self._generated(request, await read(request, GenerateRequest), streaming=False)

    async def _generate_stream(self, request: Request) -> Response:
        return await self._generated(request, await read(request, GenerateRequest), streaming=True)

    async def _generated(
        self, request: Request, asked: GenerateRequest, *, streaming: bool, echo: bool = False, listed: bool = False
    ) -> Response:
        wish = asked.parameters or Parameters()
        full = echo if wish.return_full_text is None else wish.return_full_text
        dialect = TgiDialect(asked.inputs if full else "", bool(wish.details), listed)
        self.delivery.meter.asked()
        return await self._deliver(request, Job(asked.inputs, wish, streaming=streaming), dialect)

    async def _chat(self, request: Request) -> Response:
        asked = await read(request, ChatRequest)
        self.delivery.meter.asked()
        with self.delivery.told():
            stamp = await self._stamp(request, asked.model)
            refuse_unsupported(asked)
            schema = json_schema_of(asked.response_format, self.delivery.source.engine.limits)
            messages = messages_of(asked)
            text = await self._wanted(request, messages)
        job = Job(text, asked.parameters(), messages, bool(asked.stream), schema)
        return await self._deliver(request, job, ChatDialect(stamp, asked.wants_usage))

    async def _complete(self, request: Request) -> Response:
        asked = await read(request, CompletionRequest)
        if refusal := refusal_of(asked):
            return refusal.reply()
        self.delivery.meter.asked()
        with self.delivery.told():
            stamp = await self._stamp(request, asked.model)
            refuse_unsupported_completion(asked)
        text = asked.prompt if isinstance(asked.prompt, str) else "".join(asked.prompt)
        job = Job(text, asked.parameters(), streaming=bool(asked.stream))
        return await self._deliver(request, job, CompletionDialect(stamp))

    async def _tokenize(self, request: Request) -> Response:
        asked = await read(request, GenerateRequest)
        return Json(await self._tokens(asked.inputs))

    async def _chat_tokenize(self, request: Request) -> Response:
        text = await self._wanted(request, messages_of(await read(request, ChatRequest)))
        return Json({"tokenize_response": await self._tokens(text), "templated_text": text})

    async def _deliver(self, request: Request, job: Job, dialect: Dialect) -> Response:
        if job.streaming:
            return self.delivery.stream(job, dialect)
        return await self.delivery.whole(request, job, dialect)

    async def _wanted(self, request: Request, messages: tuple[Message, ...]) -> str:
        left_s = self.delivery.left_s(exchange_of(request.scope))
        work = self.delivery.source.engine.template(messages)
        return await while_wanted(work, request.receive, left_s=left_s, stage="templating")

    async def _tokens(self, text: str) -> list[dict[str, int | str]]:
        tokens = await self.delivery.source.engine.tokenize(text)
        return [{"id": one.id, "text": one.text, "start": one.start, "stop": one.stop} for one in tokens]

    async def _stamp(self, request: Request, model: str | None) -> Stamp:
        card = await self.delivery.source.engine.card()
        refuse_model(model, card.id)
        created = int(self.delivery.source.clock.epoch_s())
        return Stamp(exchange_of(request.scope).request_id, created, card.id, f"{self.version}-{card.engine}")
