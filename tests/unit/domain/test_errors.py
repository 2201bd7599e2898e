import pytest

from tandem.domain import errors
from tandem.domain.errors import DeadlineExceeded, DocumentRejected, Overloaded, TandemError
from tandem.domain.generation import Usage


def _all(kind: type[TandemError]) -> set[type[TandemError]]:
    return {kind}.union(*(_all(each) for each in kind.__subclasses__() if each.__module__ == errors.__name__))


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    drawn = errors.__doc__ or ""
    kinds = _all(TandemError) - {TandemError}
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        line = next(line for line in drawn.splitlines() if kind.__name__ in line.split())
        assert kind.code in line.split()
        assert ("retryable" in line) is kind.retryable, kind


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeadlineExceeded("search"), {"stage": "search", "code": "deadline_exceeded"}),
        (DocumentRejected("No text.", reason="empty", hint="Scan it."), {"reason": "empty", "hint": "Scan it."}),
        (Overloaded("Full."), {"retry_after_s": 1.0, "hint": None, "param": None}),
    ],
)
def test_what_an_error_tells_besides_its_message(error: TandemError, told: dict[str, object]) -> None:
    assert {name: getattr(error, name) for name in told} == told
    assert str(error) == error.message


def test_tokens_in_total_are_those_of_prompt_and_completion() -> None:
    assert Usage(7, 5).total_tokens == 12
