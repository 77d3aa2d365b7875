from __future__ import annotations

import numpy as np
import pytest

from vitrina.llm.prompts.experiments import ALPHA, Tally, is_candidate, tally, verdict


def _binomial(successes: int, trials: int) -> Tally:
    return tally((str(number), number < successes) for number in range(trials))


def test_a_user_always_gets_the_same_version_and_the_share_is_kept() -> None:
    users = [f"user-{number}" for number in range(20_000)]

    first = [is_candidate(user, 0.1, "describe:2") for user in users]

    assert first == [is_candidate(user, 0.1, "describe:2") for user in users]
    assert np.mean(first) == pytest.approx(0.1, abs=0.01)
    more = [is_candidate(user, 0.3, "describe:2") for user in users]
    assert all(wide for narrow, wide in zip(first, more, strict=True) if narrow)
    other = [is_candidate(user, 0.1, "describe:3") for user in users]
    both = np.mean([one and two for one, two in zip(first, other, strict=True)])
    assert both == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_nobody_and_everybody(share: float, expected: bool) -> None:
    assert all(is_candidate(str(number), share, "s") is expected for number in range(1000))


def test_with_one_answer_a_user_the_variance_is_the_binomial_one() -> None:
    counted = _binomial(300, 1000)

    assert (counted.users, counted.trials, counted.successes, counted.rate) == (1000, 1000, 300, 0.3)
    assert counted.variance == pytest.approx(0.3 * 0.7 / 999)


def test_answers_to_one_user_count_for_less_than_answers_to_many() -> None:
    same = tally((str(number % 100), number % 100 < 30) for number in range(1000))

    assert (same.users, same.trials, same.rate) == (100, 1000, 0.3)
    assert same.variance == pytest.approx(0.3 * 0.7 / 99)


def test_verdicts_in_words() -> None:
    few = verdict(_binomial(50, 99), _binomial(90, 99))
    same = verdict(_binomial(800, 1000), _binomial(805, 1000), metric="acceptable")
    better = verdict(_binomial(800, 1000), _binomial(900, 1000))
    worse = verdict(_binomial(900, 1000), _binomial(800, 1000))

    assert [each.decision for each in (few, same, better, worse)] == [
        "too few", "no difference shown", "candidate better", "production better"
    ]  # fmt: skip
    assert few.sentence.startswith("Too few to say anything: each version needs 100 users")
    assert "acceptable: candidate 80.5% of 1,000 answers to 1,000 users" in same.sentence
    assert better.sentence.startswith("Candidate is better")
    assert better.difference == pytest.approx(0.1)
    assert 0 < better.low < better.difference < better.high
    assert worse.high < 0
    assert same.low < 0 < same.high


def test_rates_at_the_edge_need_the_exact_test_and_equal_ones_say_nothing() -> None:
    assert verdict(_binomial(200, 200), _binomial(200, 200)).p_value == 1
    assert verdict(_binomial(150, 150), _binomial(146, 150)).decision == "no difference shown"
    assert verdict(_binomial(1000, 1000), _binomial(900, 1000)).decision == "production better"
    assert verdict(tally([]), tally([])).decision == "too few"


def test_looking_after_every_hundred_users_claims_no_difference_where_there_is_none() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(400):
        wins = rng.random((2, 5000)) < 0.8
        counts = wins.cumsum(1)
        wrong += any(
            verdict(*(Tally(n, n, int(c[n - 1]), c[n - 1] / n * (1 - c[n - 1] / n) / n) for c in counts)).p_value
            < ALPHA
            for n in range(100, 5001, 100)
        )

    assert wrong / 400 <= ALPHA


def test_a_difference_of_five_points_is_found_within_five_thousand_users() -> None:
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(200):
        wins = [int((rng.random(5000) < rate).sum()) for rate in (0.80, 0.85)]
        found += verdict(_scaled(wins[0]), _scaled(wins[1])).decision == "candidate better"

    assert found / 200 > 0.9


def _scaled(successes: int, trials: int = 5000) -> Tally:
    rate = successes / trials
    return Tally(trials, trials, successes, rate * (1 - rate) / trials)
