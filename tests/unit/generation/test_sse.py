import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem.generation import sse
from tandem.generation.sse import SseParser

LINE_END = st.sampled_from(["\n", "\r", "\r\n"])
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)


def fed(stream: bytes, cuts: list[int] | None = None) -> list[bytes]:
    parser, events, start = SseParser(), [], 0
    for cut in [*sorted(cuts or ()), len(stream)]:
        events += parser.feed(stream[start:cut])
        start = cut
    return events


@given(st.lists(st.lists(VALUE, min_size=1, max_size=3), max_size=5), LINE_END, st.data())
def test_events_do_not_depend_on_line_ends_or_on_where_the_bytes_are_cut(
    events: list[list[str]], end: str, data: st.DataObject
) -> None:
    text = "".join("".join(f"data: {value}{end}" for value in event) + end for event in events)
    stream = text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    # A lone CR at the very end might be half of a CR LF, so it completes nothing until more comes.
    stream += b":\n"
    assert fed(stream, cuts) == ["\n".join(event).encode() for event in events]


@given(st.binary(max_size=60))
@example(b"data:\r\r\ndata\r")
def test_any_bytes_give_the_same_events_fed_at_once_or_one_by_one(stream: bytes) -> None:
    assert fed(stream) == fed(stream, list(range(len(stream))))


def test_comments_names_ids_and_unknown_fields_are_skipped() -> None:
    stream = b": keep-alive\n\nevent: token\nid: 7\nretry: 10\ndata: a\ndatum: b\ndata:c\ndata:  d\n\n\n"
    assert fed(stream) == [b"a\nc\n d"]


def test_an_event_without_its_blank_line_is_not_one() -> None:
    assert fed(b"data: whole\n\ndata: half\n") == [b"whole"]


def test_a_field_name_without_a_colon_is_an_empty_line_of_data() -> None:
    assert fed(b"data\ndata\n\n") == [b"\n"]


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_first_field() -> None:
    assert fed(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [1, 2]) == [b"a"]


def test_one_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LIMIT_BYTES", 100)
    with pytest.raises(ValueError, match="larger than"):
        fed(b"data: " + b"x" * 200, [50, 90])


def test_an_event_of_many_lines_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LIMIT_BYTES", 100)
    with pytest.raises(ValueError, match="larger than"):
        fed(b"data: xxxxxxxx\n" * 40, list(range(0, 600, 15)))


def test_many_small_events_in_one_piece_are_no_large_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LIMIT_BYTES", 100)
    assert len(fed(b"data: xxxxxxxx\n\n" * 40)) == 40
