"""all-MiniLM-L6-v2 on the CPU of this process: 384 dimensions, English, no model hub needed."""

from tandem.adapters.embeddings.minilm.embedder import MiniLmEmbedder, minilm_embedder

__all__ = ["MiniLmEmbedder", "minilm_embedder"]
