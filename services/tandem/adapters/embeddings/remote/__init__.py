"""An embedding model behind a URL: text-embeddings-inference, or whatever speaks OpenAI's `/v1/embeddings`."""

from tandem.adapters.embeddings.remote.embedder import RemoteEmbedder
from tandem.adapters.embeddings.remote.openai import openai_embedder
from tandem.adapters.embeddings.remote.tei import tei_embedder

__all__ = ["RemoteEmbedder", "openai_embedder", "tei_embedder"]
