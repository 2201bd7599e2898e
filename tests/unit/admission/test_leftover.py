import random

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.claim import Claim
from tandem.admission.leftover import Leftover
from tandem.admission.limit import AdaptiveLimit
from tandem.admission.slot import Slot

USUAL_S = 0.1
BATCH, PEOPLE = Claim("batch", background=True), Claim("people")


class Nobody:
    """Where slots of these tests come from."""

    def free(self, slot: Slot) -> None: ...

    def first_token(self, slot: Slot, now_s: float) -> None: ...


def limit(slots: int = 40) -> AdaptiveLimit:
    """One that knows what a first token takes."""
    made = AdaptiveLimit(initial=slots, least=1, most=64, clock=ScriptedClock())
    for _ in range(200):
        made.first_token(made.asked(), USUAL_S)
    assert made.baseline_s == USUAL_S
    return made


NOT_LOOKED_AT = limit()


def slot(among: int, asked_s: float, *, claim: Claim = BATCH) -> Slot:
    return Slot(Nobody(), NOT_LOOKED_AT, ScriptedClock(), claim, asked_s, 0.0, among=among)


class Pool:
    """First tokens of a pool, one after another."""

    def __init__(self, leftover: Leftover) -> None:
        self.leftover = leftover
        self.now_s = 0.0

    def one(self, took_s: float, *, among: int | None = None, claim: Claim = BATCH, beside: bool = True) -> None:
        among = self.leftover.value if among is None else among
        asked = slot(among, self.now_s, claim=claim)
        self.leftover.taken(asked)
        self.now_s += took_s
        self.leftover.first_token(asked, self.now_s, beside=beside)

    def windows(self, *takes_s: float, among: int | None = None, claim: Claim = BATCH, beside: bool = True) -> None:
        for each_s in takes_s:
            for _ in range(40):
                self.one(each_s, among=among, claim=claim, beside=beside)
            self.now_s += 1.0

    def trials(self, count: int, took_s: float) -> None:
        for _ in range(count):
            assert self.leftover.entry == self.leftover.value + 1
            self.one(took_s, among=self.leftover.entry)


def pool(slots: int = 40) -> Pool:
    return Pool(Leftover(limit(slots)))


def grown(slots: int = 40) -> Pool:
    """People had 20 places to themselves."""
    made = pool(slots)
    made.windows(USUAL_S, among=20, claim=PEOPLE, beside=False)
    assert made.leftover.value == 20
    return made


def test_it_begins_with_a_quarter_of_what_is_but_a_guess() -> None:
    assert pool(40).leftover.value == 10
    assert pool(1).leftover.value == 1


def test_as_many_as_people_had_to_themselves_are_well() -> None:
    at = pool()
    at.windows(USUAL_S, among=14, claim=PEOPLE, beside=False)
    assert at.leftover.value == 14
    at.windows(USUAL_S, among=18, claim=PEOPLE, beside=True)
    assert at.leftover.value == 14, "beside the background they count with those of it that are leaving"
    at.windows(3 * USUAL_S, among=30, claim=PEOPLE, beside=False)
    assert at.leftover.value == 14, "nor as many as were slow"


def test_more_is_tried_by_one_at_a_time() -> None:
    at = grown()
    assert at.leftover.entry == 20, "nobody knows yet what the background takes"
    at.windows(USUAL_S)
    assert at.leftover.entry == 21
    trial = slot(21, at.now_s)
    at.leftover.taken(trial)
    assert at.leftover.entry == 20
    at.leftover.freed(trial, at.now_s)
    assert at.leftover.entry == 21


def test_trials_that_are_as_quick_make_room() -> None:
    at = grown()
    at.windows(USUAL_S)
    at.trials(4, USUAL_S)
    assert at.leftover.value == 22
    at.trials(4, USUAL_S)
    assert at.leftover.value == 24
    for _ in range(20):
        at.windows(USUAL_S)
        if at.leftover.entry > at.leftover.value:
            at.trials(4, USUAL_S)
    assert at.leftover.value == at.leftover.entry == limit().value, "no more than the limit"


def test_slow_trials_make_none_and_the_next_come_later_and_are_more() -> None:
    at = grown()
    at.windows(USUAL_S)
    at.trials(4, 1.3 * USUAL_S)
    assert at.leftover.value == 20
    at.windows(*[USUAL_S] * 7)
    assert at.leftover.settled
    assert at.leftover.entry == 20
    at.windows(USUAL_S)
    at.trials(15, USUAL_S)
    assert at.leftover.value == 20
    at.trials(1, USUAL_S)
    assert at.leftover.value == 21


def test_a_step_too_long_is_taken_back() -> None:
    at = grown()
    at.windows(USUAL_S)
    at.trials(4, USUAL_S)
    assert at.leftover.value == 22
    at.trials(4, 1.3 * USUAL_S)
    assert at.leftover.value == 21, "that was tried"


def test_a_trial_that_had_to_leave_while_it_waited_was_slow() -> None:
    at = grown()
    at.windows(USUAL_S)
    for _ in range(4):
        quick = slot(21, at.now_s)
        at.leftover.taken(quick)
        at.leftover.freed(quick, at.now_s + 0.5 * USUAL_S)
    assert at.leftover.entry == 21, "those that left before it could be told say nothing"
    for _ in range(4):
        trial = slot(21, at.now_s)
        at.leftover.taken(trial)
        at.leftover.freed(trial, at.now_s + 2 * USUAL_S)
    assert at.leftover.settled
    assert at.leftover.value == 20


def test_the_last_place_goes_when_those_that_take_it_are_slow() -> None:
    at, chance = grown(), random.Random(4)
    for _ in range(20):
        at.one(USUAL_S * chance.uniform(0.9, 1.1), among=12)
        at.one(USUAL_S * chance.uniform(1.1, 1.2), among=20)
    assert at.leftover.value == 18
    assert at.leftover.settled


def test_it_falls_long_before_the_limit_does() -> None:
    at = grown()
    at.windows(USUAL_S, 1.3 * USUAL_S)
    assert at.leftover.value == 17
    at.windows(*[USUAL_S] * 7)
    assert at.leftover.value == at.leftover.entry == 17


def test_it_does_not_fall_for_what_slows_people_alone() -> None:
    at = grown()
    at.windows(*[3 * USUAL_S] * 5, among=30, claim=PEOPLE, beside=False)
    assert at.leftover.value == 20


def test_one_always_has_room() -> None:
    at = grown()
    at.windows(*[10 * USUAL_S] * 40)
    assert at.leftover.value == 1


def test_chance_is_not_taken_for_a_queue() -> None:
    at, chance = grown(), random.Random(2)
    for _ in range(40 * 200):
        at.one(USUAL_S * chance.lognormvariate(0, 1), among=chance.choice((12, at.leftover.value)))
    assert at.leftover.value >= 17


def test_what_was_asked_before_it_fell_or_began_tells_nothing() -> None:
    at = grown()
    at.windows(1.3 * USUAL_S)
    assert at.leftover.value == 17
    for _ in range(400):
        at.leftover.first_token(slot(17, at.now_s - 10), at.now_s, beside=True)
    assert at.leftover.value == 17
    at.leftover.begin(at.now_s + 100)
    at.windows(*[1.3 * USUAL_S] * 3)
    assert at.leftover.value == 17


def test_a_fixed_limit_is_known() -> None:
    at = Pool(Leftover(AdaptiveLimit(initial=8, least=8, most=8, clock=ScriptedClock())))
    at.windows(*[1000.0] * 5)
    assert at.leftover.value == at.leftover.entry == 8
    assert at.leftover.settled
