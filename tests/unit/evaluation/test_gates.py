"""Absolute gates, and how often the paired bootstrap is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitrina.evaluation.gates import Comparison, check_gates, paired_bootstrap
from vitrina.evaluation.policy import Policy

SLICES = [
    {"slice": "language", "value": "en", "rows": 900, "accuracy": 0.95},
    {"slice": "language", "value": "es", "rows": 300, "accuracy": 0.81},
    {"slice": "language", "value": "fr", "rows": 3, "accuracy": 0.0},
]
BEHAVIOUR = [{"check": "typo", "cases": 50, "passed": 40, "rate": 0.8, "failures": []}]


def failures(policy: dict, metrics: dict[str, float] | None = None) -> list[str]:
    """The reasons of the gates that `metrics` do not pass."""
    results = check_gates(Policy.model_validate(policy), metrics or {}, SLICES, BEHAVIOUR)
    return [result.reason for result in results if not result.passed]


def scores(
    rng: np.random.Generator, rows: int, disagreement: float, difference: float
) -> tuple[np.ndarray, np.ndarray]:
    """0/1 scores of a challenger and a champion that disagree on a share of rows, with a true mean difference."""
    better, worse = (disagreement + difference) / 2, (disagreement - difference) / 2
    who = rng.choice([1, -1, 0], p=[better, worse, 1 - better - worse], size=rows)
    return np.where(who == 0, 1.0, who > 0), np.where(who == 0, 1.0, who < 0)


def rejection_rate(rows: int, disagreement: float, difference: float, repetitions: int = 400) -> float:
    """How often a challenger with that true difference is rejected at the default level and margin."""
    rng = np.random.default_rng(20261121)
    pairs = (scores(rng, rows, disagreement, difference) for _ in range(repetitions))
    return float(np.mean([not paired_bootstrap(*pair, samples=1000, margin=0.03).not_worse for pair in pairs]))


def test_a_metric_below_its_minimum_fails_with_both_numbers() -> None:
    assert failures({"metrics": {"accuracy": {"minimum": 0.93}}}, {"accuracy": 0.912}) == [
        "accuracy 0.912 is below the gate 0.930"
    ]


def test_a_metric_above_its_maximum_fails() -> None:
    gate = {"metrics": {"parity.accuracy_loss": {"maximum": 0.003}}}
    assert failures(gate, {"parity.accuracy_loss": 0.01}) == ["parity.accuracy_loss 0.010 is above the gate 0.003"]
    assert failures(gate, {"parity.accuracy_loss": 0.003}) == []


def test_numbers_that_round_alike_are_told_apart() -> None:
    assert failures({"metrics": {"accuracy": {"minimum": 0.93}}}, {"accuracy": 0.92996}) == [
        "accuracy 0.92996 is below the gate 0.93000"
    ]


def test_nan_passes_no_gate() -> None:
    bounds = {"accuracy": {"minimum": 0.1}, "error": {"maximum": 0.9}}
    assert len(failures({"metrics": bounds}, {"accuracy": math.nan, "error": math.nan})) == 2


def test_an_unmeasured_metric_fails_unless_it_is_optional() -> None:
    assert failures({"metrics": {"oos_auroc": {"minimum": 0.9}}}) == ["oos_auroc was not measured"]
    assert failures({"metrics": {"oos_auroc": {"minimum": 0.9, "optional": True}}}) == []
    assert failures({"metrics": {"oos_auroc": {"minimum": 0.9, "optional": True}}}, {"oos_auroc": 0.5})


def test_every_large_enough_value_of_a_slice_must_reach_its_bound() -> None:
    bound = {"metric": "accuracy", "minimum": 0.9, "minimum_rows": 100}
    assert failures({"slices": {"language": bound}}) == [
        "accuracy on language=es (300 rows) 0.810 is below the gate 0.900"
    ]
    assert len(failures({"slices": {"language": {**bound, "minimum_rows": 1}}})) == 2
    assert failures({"slices": {"domain": bound}}) == ["accuracy by domain was not measured"]


def test_behavioural_checks_have_gates() -> None:
    assert failures({"behaviour": {"typo": {"minimum": 0.9}}}) == ["behaviour typo 0.800 is below the gate 0.900"]
    assert failures({"behaviour": {"typo": {"minimum": 0.8}}}) == []
    assert failures({"behaviour": {"case": {"minimum": 0.8}}}) == ["behaviour case was not measured"]


def test_an_equal_challenger_is_rejected_in_at_most_five_percent() -> None:
    assert rejection_rate(rows=1200, disagreement=0.06, difference=0.0) <= 0.05


def test_a_worse_challenger_is_found_out() -> None:
    assert rejection_rate(rows=1200, disagreement=0.06, difference=-0.03) >= 0.95
    assert rejection_rate(rows=3000, disagreement=0.06, difference=-0.02) >= 0.95


def test_a_challenger_worse_by_the_margin_hardly_ever_passes_on_few_rows() -> None:
    assert rejection_rate(rows=150, disagreement=0.06, difference=-0.03) >= 0.9


def test_a_better_challenger_passes() -> None:
    assert rejection_rate(rows=1200, disagreement=0.06, difference=0.02) == 0.0


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    pairs = [scores(rng, 800, 0.1, -0.02) for _ in range(400)]
    intervals = [paired_bootstrap(*pair, samples=1000, level=0.9) for pair in pairs]
    covered = np.mean([each.low <= -0.02 <= each.high for each in intervals])
    assert 0.86 <= covered <= 0.94


def test_pairing_finds_differences_that_lie_within_the_noise_of_the_rows() -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(size=2000)  # rows differ far more from each other than the two models do
    better = paired_bootstrap(hard + 0.01 + rng.normal(scale=0.02, size=2000), hard)
    assert better.low > 0
    assert better.difference == pytest.approx(0.01, abs=0.002)


def test_the_same_seed_gives_the_same_interval() -> None:
    pair = scores(np.random.default_rng(1), 500, 0.1, 0.0)
    assert paired_bootstrap(*pair, seed=1) == paired_bootstrap(*pair, seed=1)
    assert paired_bootstrap(*pair, seed=1) != paired_bootstrap(*pair, seed=2)


def test_identical_models_are_not_worse() -> None:
    ones = np.ones(10)
    assert paired_bootstrap(ones, ones) == Comparison(0.0, 0.0, 0.0, True, 10, 0.95, 0.0)


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan])])
def test_scores_that_cannot_be_compared_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired_bootstrap(bad, bad)


def test_a_comparison_reads_as_a_sentence() -> None:
    worse = Comparison(-0.012, -0.019, -0.005, False, 1200, 0.95, 0.03)
    unsure = Comparison(-0.01, -0.05, 0.03, False, 80, 0.95, 0.03)
    fine = Comparison(0.004, -0.002, 0.01, True, 3000, 0.95, 0.03)
    assert worse.describe("v3") == "worse than champion v3: -1.2 points (95% interval -1.9 to -0.5) on 1,200 rows"
    assert unsure.describe("v3").startswith("may be worse than champion v3 by more than 3.0 points: -1.0 points")
    assert fine.describe("v3").startswith("not worse than champion v3: +0.4 points")
