"""Output and error files of a batch: whole lines or none, one writer, and nothing of anybody else's is touched."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tandem.adapters.batches.results import ResultFile, result_files
from tandem.domain.batch_line import LineFault
from tandem.domain.errors import InvalidRequest, StoreBusy, StoreFull
from tandem.http.wire.batch_lines import answered_line, fault_line


def line(custom_id: str, text: str = "") -> bytes:
    return answered_line("batch_req_1", custom_id, "r", b'{"text":"%s"}' % text.encode())


FAULT = fault_line("batch_req_1", 2, None, LineFault("invalid_json_line", "m"))


@contextmanager
def opened(path: Path | None) -> Iterator[ResultFile]:
    file = ResultFile(path)
    try:
        yield file
    finally:
        file.close()


def names(path: Path) -> list[str | None]:
    with opened(path) as file:
        return [result.custom_id for result in file.earlier()]


def test_what_was_appended_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for name in ("a", "b"):
        with opened(path) as file:
            file.append(line(name))
    assert names(path) == ["a", "b"]
    assert path.read_bytes() == line("a") + line("b")


def test_a_line_cut_short_anywhere_is_cut_off(tmp_path: Path) -> None:
    path, last = tmp_path / "out.jsonl", line("b")
    for size in range(1, len(last) - 1):
        path.write_bytes(line("a") + last[:size])
        assert names(path) == ["a"]
        assert path.read_bytes() == line("a")
    path.write_bytes(line("a") + b"\0" * 100)
    assert names(path) == ["a"]


def test_a_last_line_without_its_break_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line("a") + line("b")[:-1])
    with opened(path) as file:
        assert len(list(file.earlier())) == 2
        file.append(line("c"))
    assert path.read_bytes() == line("a") + line("b") + line("c")


@pytest.mark.parametrize("text", ["my diary", "my diary\nof two lines", '{"custom_id": "a"}\n', '["{"'])
def test_somebody_else_s_file_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match="no result of a batch"):
        names(path)
    assert path.read_text() == text


def test_what_is_not_kept_goes_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with opened(path) as file:
        for name in ("a", "b", "c"):
            file.append(line(name))
        file.keep(lambda result: result.custom_id != "b")
        file.append(line("d"))
        with pytest.raises(StoreBusy):
            ResultFile(path)
    assert names(path) == ["a", "c", "d"]
    assert list(tmp_path.iterdir()) == [path]


def test_two_do_not_write_to_one_file(tmp_path: Path) -> None:
    out, errors = tmp_path / "out.jsonl", tmp_path / "errors.jsonl"
    with result_files(out, errors, overwrite=False) as (answered, _):
        answered.append(line("a"))
        for first, second in ((out, tmp_path / "x"), (tmp_path / "y", errors)):
            with pytest.raises(StoreBusy, match="Another"), result_files(first, second, overwrite=True):
                pass
    with result_files(out, errors, overwrite=False) as (answered, _):
        assert len(list(answered.earlier())) == 1


def test_an_empty_error_file_is_not_left_behind(tmp_path: Path) -> None:
    out, errors = tmp_path / "out.jsonl", tmp_path / "errors.jsonl"
    with result_files(out, errors, overwrite=False) as (_, failed):
        failed.append(FAULT)
    assert errors.read_bytes() == FAULT
    with result_files(out, errors, overwrite=True):
        pass
    assert (out.exists(), errors.exists()) == (True, False)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(path) as file:
        file.append(line("a"))
        whole = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 10, hard))
        try:
            with pytest.raises(StoreFull, match="no room") as full:
                file.append(line("b", "x" * 5_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert full.value.hint is not None
        assert path.stat().st_size == whole
        file.append(line("c"))
    assert names(path) == ["a", "c"]


def test_what_is_no_file_is_written_to_and_not_read() -> None:
    with opened(Path("/dev/null")) as file:
        file.append(line("a"))
        file.sync()
        file.keep(lambda _: False)
        assert (file.kept, list(file.earlier())) == (False, [])
    with opened(Path("/dev/full")) as full, pytest.raises(StoreFull):
        full.append(line("a"))


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be written"):
        ResultFile(tmp_path / "none" / "out.jsonl")
