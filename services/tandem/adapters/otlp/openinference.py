"""The few attributes by OpenInference's conventions that are read beside the GenAI ones.

Phoenix makes its own of messages, documents, models and token counts out of `gen_ai.*`. What it lacks then is what a span
is for, and the question and the answer as plain text; Langfuse and MLflow show nothing of a retrieval without. On the
model's call these would stand before the messages, so that they are left to those.
"""

from tandem.adapters.otlp.attributes import Row
from tandem.adapters.otlp.content import documents

ROWS: tuple[Row, ...] = (
    Row("request", "openinference.span.kind", "`CHAIN`", lambda _: "CHAIN"),
    Row("request", "input.value", "question.text", lambda r: r.question.text),
    Row("request", "output.value", "answer.text", lambda r: r.answer.text or None),
    Row("retrieval", "openinference.span.kind", "`RETRIEVER`", lambda _: "RETRIEVER"),
    Row("retrieval", "input.value", "question.standalone", lambda r: r.question.standalone),
    Row("retrieval", "output.value", "retrieval.passages", documents),
    Row("embed", "openinference.span.kind", "`EMBEDDING`", lambda _: "EMBEDDING"),
    Row("chat", "openinference.span.kind", "`LLM`", lambda _: "LLM"),
    Row("chat", "llm.cost.total", "answer.cost", lambda r: r.answer.cost or None),
)
