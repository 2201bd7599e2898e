"""Batches as rows, and back."""

from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.adapters.state.plain import plain, plain_or_none
from tandem.domain.batch import Batch
from tandem.domain.errors import UpstreamFailed

_BATCH = TypeAdapter(Batch)


def row_of(batch: Batch) -> dict[str, Any]:
    """All of it is in the body; the other columns are those that are looked for."""
    return {
        "id": plain(batch.id),
        "tenant": plain(batch.tenant),
        "caller": plain(batch.caller),
        "asked_for": plain_or_none(batch.user),
        "input_file_id": plain(batch.input_file_id),
        "status": batch.status,
        "created_at": batch.created_at,
        "ended_at": batch.ended_at,
        "body": orjson.dumps(batch),
    }


def batch_of(body: bytes) -> Batch:
    """Raises `UpstreamFailed` for one that a newer Tandem wrote."""
    try:
        return _BATCH.validate_json(bytes(body))
    except ValidationError as error:
        raise UpstreamFailed("A batch cannot be read.", hint="Was it written by a newer Tandem?") from error
