"""A passage that would answer the question, made up by a model, to be searched for by its meaning.

Hypothetical document embeddings (Gao et al., Precise Zero-Shot Dense Retrieval without Relevance Labels, 2023): what an
answer looks like lies nearer to the passages than the question does. Whether it is true does not matter, so it is searched
for by meaning alone and never shown as an answer.
"""

import re

from tandem.domain.query import Query
from tandem.domain.text import content_words

_LONGEST = 600
_LEAST_WORDS = 4
_MARKS = re.compile(r"</?[A-Za-z][^>]{0,40}>")


def hypothetical(written: str, *, weight: float) -> tuple[Query, ...]:
    """The passage, none when too little was written."""
    text = " ".join(_MARKS.sub(" ", written).split())[:_LONGEST]
    if len(content_words(text)) < _LEAST_WORDS:
        return ()
    return (Query(text, "hypothetical", weight, sparse=False),)
