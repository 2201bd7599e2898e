from fakes.passages import passage
from tandem.retrieval.phrases import holding


def test_a_passage_must_hold_every_phrase_whatever_its_case_and_line_breaks() -> None:
    whole = passage("At the Old\nPier, the night ferry waits.", 0)
    half = passage("The old pier.", 1)
    kept, dropped = holding(("old pier", "Night Ferry"), [whole, half])
    assert kept == [whole]
    assert [(each.passage, each.reason) for each in dropped] == [(half, "lacks_phrase")]


def test_headings_count() -> None:
    assert holding(("guide",), [passage("Text.")])[1] == []
