"""The circuit breaker, with a clock that the test moves."""

from __future__ import annotations

import pytest

from vitrina.llm.breaker import Breaker


class Clock:
    """Seconds, as the test says."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _broken(clock: Clock, failures: int = 3) -> Breaker:
    breaker = Breaker(failures, pause=10.0, clock=clock)
    for _ in range(failures):
        assert breaker.admit() == 0
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_for_how_long(clock: Clock) -> None:
    breaker = _broken(clock)
    clock.now += 4

    assert breaker.state == "open"
    assert breaker.admit() == pytest.approx(6)


def test_a_success_in_between_starts_the_count_again(clock: Clock) -> None:
    breaker = Breaker(2, clock=clock)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()

    assert breaker.state == "closed"


def test_after_the_pause_one_call_may_find_out_and_the_others_wait(clock: Clock) -> None:
    breaker = _broken(clock)
    clock.now += 10

    assert breaker.state == "half-open"
    assert breaker.admit() == 0
    assert breaker.admit() > 0


def test_a_probe_that_fails_opens_it_again_and_one_that_succeeds_closes_it(clock: Clock) -> None:
    breaker = _broken(clock)
    clock.now += 10
    breaker.admit()
    breaker.failed()
    assert breaker.admit() == pytest.approx(10)

    clock.now += 10
    breaker.admit()
    breaker.succeeded()
    assert (breaker.state, breaker.admit()) == ("closed", 0)


def test_failures_of_calls_that_began_before_it_opened_do_not_prolong_the_pause(clock: Clock) -> None:
    breaker = _broken(clock)
    clock.now += 6
    breaker.failed()

    assert breaker.admit() == pytest.approx(4)


def test_a_probe_whose_caller_left_makes_room_for_another(clock: Clock) -> None:
    breaker = _broken(clock)
    clock.now += 10
    breaker.admit()
    breaker.abandoned()

    assert breaker.admit() == 0
