"""A restart goes on with what was usual; nothing that can lie there instead stops it."""

from pathlib import Path

import numpy as np
import pytest

from tandem.adapters.questions.file import QuestionFile
from tandem.pipeline.quality.drift import Hour

HOURS = {490_000: Hour(3, np.array([1.0, 2.0], np.float32)), 490_001: Hour(1, np.array([0.5, 0.0], np.float32))}


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    file = QuestionFile(tmp_path / "made" / "questions.npz", "minilm@1")
    assert file.load() == {}
    file.save(HOURS)
    file.save(HOURS)
    known = file.load()
    assert {at: (each.questions, each.total.tolist()) for at, each in known.items()} == {
        490_000: (3, [1.0, 2.0]),
        490_001: (1, [0.5, 0.0]),
    }


def test_sums_of_another_model_are_not_taken(tmp_path: Path) -> None:
    QuestionFile(tmp_path / "q.npz", "minilm@1").save(HOURS)
    assert QuestionFile(tmp_path / "q.npz", "bge@1").load() == {}


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_a_broken_file_is_put_aside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "q.npz"
    path.write_bytes(content)
    assert QuestionFile(path, "minilm@1").load() == {}
    assert path.with_suffix(".broken").read_bytes() == content
    assert "begins anew" in caplog.text


def test_a_file_that_cannot_be_written_does_not_matter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "in_the_way").write_text("")
    QuestionFile(tmp_path / "in_the_way" / "q.npz", "minilm@1").save(HOURS)
    assert "could not be saved" in caplog.text
