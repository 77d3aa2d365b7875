"""F1 of the positive class, and the threshold that a sample of pairs suggests."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from vitrina.evaluation import matching


def sample(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated scores and outcomes drawn from them."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.3, 1.5, rows)
    return scores, rng.random(rows) < scores


def test_f1_is_that_of_scikit_learn_and_0_where_nothing_is_positive() -> None:
    scores, truth = sample(200)
    assert matching.f1(truth, scores > 0.4) == pytest.approx(f1_score(truth, scores > 0.4))
    nothing = np.zeros(5, dtype=bool)
    assert matching.f1(nothing, nothing) == 0


def test_best_f1_is_the_best_of_all_cuts() -> None:
    scores, truth = sample(100)
    cuts = [matching.f1(truth, scores >= cut) for cut in scores]
    assert matching.best_f1(scores, truth) == pytest.approx(max(cuts))


def test_equal_scores_are_never_parted() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    truth = np.array([True, True, False, False, False])
    assert matching.best_f1(scores, truth) == pytest.approx(2 / 3)


def test_half_of_the_best_expected_f1_is_the_best_threshold_of_calibrated_probabilities() -> None:
    scores, truth = sample(200_000)
    threshold = matching.expected_threshold(scores)
    assert matching.f1(truth, scores >= threshold) == pytest.approx(matching.best_f1(scores, truth), abs=2e-3)
    assert threshold == pytest.approx(matching.best_f1(scores, truth) / 2, abs=0.01)


def test_the_threshold_parts_what_can_be_parted_with_room_on_both_sides() -> None:
    scores, truth = np.array([0.05, 0.1, 0.2, 0.8, 0.9] * 8), np.array([False, False, False, True, True] * 8)
    assert matching.best_threshold(scores, truth) == pytest.approx(0.5)


def test_the_threshold_of_calibrated_scores_is_near_half_the_best_f1() -> None:
    """Lipton et al. (2014): the cut that is best in expectation is half of the F1 it reaches."""
    scores, truth = sample(20_000)
    assert matching.best_threshold(scores, truth) == pytest.approx(matching.best_f1(scores, truth) / 2, abs=0.03)


def test_the_threshold_moves_less_between_samples_than_the_best_cut_does() -> None:
    cuts, thresholds = [], []
    for seed in range(12):
        scores, truth = sample(200, seed)
        cuts.append(matching._best_cut(scores, truth))
        thresholds.append(matching.best_threshold(scores, truth))
    assert np.std(thresholds) < np.std(cuts)


def test_the_interval_holds_the_value_and_shrinks_with_rows() -> None:
    widths = []
    for rows in (200, 3200):
        scores, truth = sample(rows)
        decided = scores > 0.4
        low, high = matching.f1_interval(truth, decided, samples=400)
        assert low < matching.f1(truth, decided) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5
