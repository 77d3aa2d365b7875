from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from vitrina.errors import ArtifactError, DataError
from vitrina.monitoring import statistics
from vitrina.monitoring.statistics import compare, embedding_test, missing_test, mix_test, shape_test
from vitrina.training.spec import Monitored

MONITORED = Monitored(categorical=("label", "language"), numerical=("confidence",))


def frame(rows: int, seed: int, confidence: float = 8.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "label": rng.choice(list("abcdefgh"), rows),
            "language": rng.choice(["es", "en"], rows),
            "confidence": rng.beta(confidence, 2, rows),
        }
    )


def test_a_mix_agrees_with_the_chi_square_distribution_where_that_is_exact() -> None:
    first, second = pd.Series(list("a" * 500 + "b" * 500)), pd.Series(list("a" * 460 + "b" * 540))
    expected = chi2_contingency([[500, 500], [460, 540]], correction=False)
    found = mix_test(first, second)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.02)


def test_a_mix_of_many_rare_categories_raises_no_false_alarm() -> None:
    """150 intents, 200 rows: Evidently's own chi-square rejects most of these."""
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(150))
    draw = [pd.Series(rng.choice(150, size, p=weights)) for _ in range(20) for size in (1500, 200)]
    p_values = [mix_test(draw[i], draw[i + 1]).p_value for i in range(0, 40, 2)]
    assert sum(p < 0.05 for p in p_values) <= 4


def test_the_effect_of_a_mix_does_not_grow_with_rows() -> None:
    small = mix_test(pd.Series(list("aabb" * 100)), pd.Series(list("aaab" * 100)))
    large = mix_test(pd.Series(list("aabb" * 5000)), pd.Series(list("aaab" * 5000)))
    assert small.effect == pytest.approx(large.effect, abs=0.05)
    assert large.effect > 0.4


def test_a_category_never_seen_before_is_a_shift() -> None:
    assert mix_test(pd.Series(["es"] * 500), pd.Series(["es"] * 150 + ["fr"] * 50)).p_value < 0.001


def test_one_single_category_is_no_shift() -> None:
    assert mix_test(pd.Series(["es"] * 50), pd.Series(["es"] * 20)) == (0.0, 1.0, 0.0)


def test_a_shape_reports_the_largest_gap() -> None:
    found = shape_test(pd.Series(np.arange(100.0)), pd.Series(np.arange(50.0, 150.0)))
    assert found.effect == pytest.approx(0.5)
    assert found.p_value < 1e-6


def test_missing_values_that_appear_are_a_shift() -> None:
    found = missing_test(pd.Series([1.0] * 500), pd.Series([1.0] * 180 + [None] * 20))
    assert found.effect == pytest.approx(0.1)
    assert found.p_value < 1e-6


def test_the_embedding_test_finds_a_small_group_of_new_messages() -> None:
    rng = np.random.default_rng(0)
    reference, current = rng.normal(size=(900, 32)), rng.normal(size=(400, 32))
    current[:80] = rng.normal(2.0, 0.3, size=(80, 32))
    assert embedding_test(reference, current).p_value < 0.004
    assert embedding_test(reference, rng.normal(size=(400, 32))).p_value > 0.004


def test_the_embedding_statistic_is_the_unbiased_mmd() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(6, 3)).astype("f"), rng.normal(1, 1, size=(4, 3)).astype("f")
    both = np.vstack([first, second])
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / np.median(squared[np.triu_indices(10, 1)]))
    np.fill_diagonal(kernel, 0)
    expected = kernel[:6, :6].sum() / 30 + kernel[6:, 6:].sum() / 12 - 2 * kernel[:6, 6:].mean()
    assert embedding_test(first, second).statistic == pytest.approx(expected, abs=1e-5)


def test_equal_embeddings_everywhere_are_no_shift() -> None:
    assert embedding_test(np.ones((20, 4)), np.ones((10, 4))).p_value == 1.0


def test_the_whole_decision_rarely_alarms_on_equal_samples() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        embeddings = rng.normal(size=(500, 8)), rng.normal(size=(200, 8))
        tests = compare(frame(500, 2 * seed), frame(200, 2 * seed + 1), MONITORED, embeddings)
        alarms += any(test.drifted for test in tests)
    assert alarms <= 3


def test_the_threshold_is_shared_by_the_tests_of_a_decision() -> None:
    tests = compare(frame(300, 0), frame(200, 1), MONITORED, (np.eye(8), np.eye(8)))
    assert [test.test for test in tests] == ["mix", "mix", "shape", "embedding"]
    assert {test.threshold for test in tests} == {statistics.ALPHA / 4}


def test_the_same_window_gives_the_same_numbers() -> None:
    once, again = (compare(frame(300, 0), frame(200, 1), MONITORED) for _ in range(2))
    assert once == again


def test_a_significant_but_tiny_shift_does_not_count() -> None:
    rng = np.random.default_rng(0)
    first = pd.DataFrame({"confidence": rng.random(200_000)})
    second = pd.DataFrame({"confidence": rng.random(200_000) * 0.98})
    (test,) = compare(first, second, Monitored(numerical=("confidence",)))
    assert test.p_value < 1e-6
    assert not test.drifted


def test_an_empty_column_drifts_by_its_missing_values_alone() -> None:
    current = frame(200, 1).assign(language=None)
    tests = {(test.column, test.test): test for test in compare(frame(300, 0), current, MONITORED)}
    assert tests["language", "missing"].drifted
    assert ("language", "mix") not in tests


def test_infinite_numbers_count_as_missing() -> None:
    current = frame(200, 1)
    current.loc[:60, "confidence"] = np.inf
    tests = {(test.column, test.test): test for test in compare(frame(300, 0), current, MONITORED)}
    assert tests["confidence", "missing"].drifted


def test_a_missing_or_wrong_column_is_named() -> None:
    good = frame(300, 0)
    with pytest.raises(DataError, match="no column 'language'"):
        compare(good, good.drop(columns="language"), MONITORED)
    with pytest.raises(ArtifactError, match="no column 'label'"):
        compare(good.drop(columns="label"), good, MONITORED)
    with pytest.raises(DataError, match="'confidence' holds values that are no number"):
        compare(good, good.assign(confidence="high"), MONITORED)


def test_a_family_may_say_how_small_an_effect_counts() -> None:
    reference, current = frame(3000, 1), frame(3000, 2, confidence=7.0)
    moved = {test.column: test for test in compare(reference, current, MONITORED)}["confidence"]
    assert moved.drifted
    assert 0.05 < moved.effect < 0.15
    tolerant = Monitored(MONITORED.categorical, MONITORED.numerical, effects={"shape": 0.15})
    assert not any(test.drifted for test in compare(reference, current, tolerant))
