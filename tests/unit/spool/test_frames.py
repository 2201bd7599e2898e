"""Frames: whatever happens to a segment, every record that is whole is found again."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.spool.frames import HEAD_BYTES, MARK, Damage, Frame, framed, frames

TEXTS = [f'{{"id": {n}, "text": "{"x" * n}"}}'.encode() for n in range(20)]


def segment(texts: list[bytes]) -> bytes:
    return b"".join(framed(n, 100.0 + n, text) for n, text in enumerate(texts))


def pieces(data: bytes) -> list[Frame | Damage]:
    return list(frames(io.BytesIO(data), 0, len(data)))


def whole(data: bytes) -> list[bytes]:
    return [piece.text for piece in pieces(data) if isinstance(piece, Frame)]


def gapless(found: list[Frame | Damage], length: int) -> bool:
    at = 0
    for piece in found:
        if piece.start != at:
            return False
        at = piece.end
    return at == length


def test_frames_come_back_with_number_and_time() -> None:
    found = pieces(segment(TEXTS))
    assert [(piece.number, piece.written_at, piece.text) for piece in found if isinstance(piece, Frame)] == [
        (n, 100.0 + n, text) for n, text in enumerate(TEXTS)
    ]


@given(st.integers(0, len(segment(TEXTS)) - 1), st.integers(1, 255))
def test_one_wrong_byte_costs_one_record(at: int, flip: int) -> None:
    data = bytearray(segment(TEXTS))
    data[at] ^= flip
    found = pieces(bytes(data))
    assert len(whole(bytes(data))) == len(TEXTS) - 1
    assert [piece.reason for piece in found if isinstance(piece, Damage)] in (["damaged"], ["cut"])
    assert gapless(found, len(data))


@given(st.integers(0, len(segment(TEXTS))))
def test_a_cut_costs_what_lies_behind_it(at: int) -> None:
    data = segment(TEXTS)[:at]
    ends = [len(segment(TEXTS[:n])) for n in range(len(TEXTS) + 1)]
    assert whole(data) == TEXTS[: sum(end <= at for end in ends) - 1]
    assert [piece.reason for piece in pieces(data) if isinstance(piece, Damage)] == ([] if at in ends else ["cut"])


@given(st.binary(max_size=300), st.integers(0, 20))
def test_garbage_between_records_costs_no_record(garbage: bytes, after: int) -> None:
    data = segment(TEXTS[:after]) + garbage + segment(TEXTS[after:])
    assert whole(data) == TEXTS
    assert gapless(pieces(data), len(data))


@given(st.binary(max_size=500))
def test_garbage_alone_is_no_record(garbage: bytes) -> None:
    assert whole(garbage) == []
    assert gapless(pieces(garbage), len(garbage))


def test_a_mark_across_two_windows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.adapters.spool.frames._WINDOW", 16)
    for length in range(1, 40):
        assert whole(b"\x00" * length + segment(TEXTS)) == TEXTS


def test_a_length_that_lies_is_not_believed() -> None:
    first, *rest = (framed(n, 0.0, text) for n, text in enumerate(TEXTS))
    lying = first[: HEAD_BYTES - 8] + (2**31).to_bytes(4, "little") + first[HEAD_BYTES - 4 :]
    assert whole(lying + b"".join(rest)) == TEXTS[1:]


@pytest.mark.parametrize("trap", [MARK, MARK * 100, MARK + b"\xff" * HEAD_BYTES])
def test_marks_without_a_record_mislead_nobody(trap: bytes) -> None:
    assert whole(trap + segment(TEXTS) + trap) == TEXTS
