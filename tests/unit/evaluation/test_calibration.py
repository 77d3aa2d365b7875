import numpy as np
import pytest

from vitrina.evaluation import calibration


@pytest.fixture
def sampled():
    """Logits whose softmax is the true distribution of the labels."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    probabilities = calibration.softmax(logits)
    labels = np.array([rng.choice(5, p=row) for row in probabilities])
    return logits, labels


def test_temperature_undoes_an_overconfident_scale(sampled):
    logits, labels = sampled
    assert calibration.fit_temperature(logits * 3, labels) == pytest.approx(3.0, rel=0.1)


def test_calibration_error_is_small_for_true_probabilities_and_large_for_sharpened_ones(sampled):
    logits, labels = sampled

    def error(scale):
        probabilities = calibration.softmax(logits * scale)
        return calibration.expected_calibration_error(probabilities.max(1), probabilities.argmax(1) == labels)

    assert error(1.0) < 0.03
    assert error(4.0) > 0.15


def test_above_the_clarification_threshold_answers_are_right_at_the_target_rate():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0, 1, 5000)
    correct = rng.uniform(0, 1, 5000) < 0.8 + 0.2 * confidence
    threshold = calibration.clarification_threshold(confidence, correct, target=0.95, most_asked=0.6)
    assert correct[confidence >= threshold].mean() >= 0.95
    assert 0.3 < threshold < 0.8


def test_the_clarification_threshold_never_asks_more_often_than_allowed():
    confidence = np.linspace(0, 1, 1000)
    threshold = calibration.clarification_threshold(confidence, np.zeros(1000, bool), target=0.99, most_asked=0.2)
    assert (confidence < threshold).mean() <= 0.2


def test_nothing_above_a_half_is_asked_back_when_every_answer_is_right():
    assert calibration.clarification_threshold(np.full(50, 0.99), np.ones(50, bool)) == 0.5
    assert calibration.clarification_threshold(np.full(50, 0.3), np.ones(50, bool)) == pytest.approx(0.3)


def test_the_false_alarm_threshold_is_exceeded_by_the_stated_share():
    scores = np.random.default_rng(2).normal(size=10_000)
    assert (scores > calibration.false_alarm_threshold(scores, 0.05)).mean() == pytest.approx(0.05, abs=0.001)
