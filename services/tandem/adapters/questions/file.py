"""The hours' sums of question embeddings in one small file, so that a restart does not forget what was usual."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tandem.pipeline.quality.drift import Hour

_log = logging.getLogger("tandem.quality")


class QuestionFile:
    """`model` is the embedder's name: sums of another one's vectors are not comparable, and begin anew."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model

    def load(self) -> Mapping[int, Hour]:
        """What was saved; nothing where there is no file of this model. A broken one is put aside and told of."""
        try:
            # Opened here: numpy leaves a file open that it cannot read.
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["model"]) != self._model:
                    return {}
                rows = zip(kept["hours"], kept["questions"], kept["totals"], strict=True)
                return {int(hour): Hour(int(asked), total) for hour, asked, total in rows}
        except FileNotFoundError:
            return {}
        except (OSError, KeyError, ValueError, BadZipFile, EOFError) as error:
            aside = self._path.with_suffix(".broken")
            _log.warning("the history of questions cannot be read and begins anew; it lies at %s: %s", aside, error)
            if self._path.exists():
                self._path.replace(aside)
            return {}

    def save(self, hours: Mapping[int, Hour]) -> None:
        """Replaces the file at once; on a full disk the old one stays and the process goes on."""
        unfinished = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                np.savez(
                    file,
                    model=self._model,
                    hours=np.array(list(hours), dtype=np.int64),
                    questions=np.array([each.questions for each in hours.values()], dtype=np.int64),
                    totals=np.array([each.total for each in hours.values()], dtype=np.float32),
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except (OSError, ValueError) as error:
            _log.warning("the history of questions could not be saved: %s", error)
