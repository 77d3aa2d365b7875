import numpy as np
import pandas as pd
import pytest

from vitrina.evaluation import classification


def test_accuracy_and_macro_f1_on_a_case_done_by_hand():
    truth, predicted = ["a", "a", "a", "b"], ["a", "a", "b", "b"]
    assert classification.accuracy(truth, predicted) == 0.75
    # a: precision 1, recall 2/3 -> 0.8; b: precision 1/2, recall 1 -> 2/3
    assert classification.macro_f1(truth, predicted) == pytest.approx((0.8 + 2 / 3) / 2)


def test_macro_f1_ignores_classes_that_are_only_predicted():
    assert classification.macro_f1(["a", "a"], ["a", "z"]) == pytest.approx(2 / 3)


def test_out_of_scope_metrics_separate_ranking_from_the_decision():
    scores = np.array([0.1, 0.2, 0.3, 0.9])
    is_out = np.array([False, False, True, True])
    metrics = classification.out_of_scope_metrics(scores, is_out, scores > 0.5)
    assert metrics == {"oos_auroc": 1.0, "oos_recall": 0.5, "oos_false_alarms": 0.0}


def test_out_of_scope_metrics_are_absent_without_out_of_scope_rows():
    none = np.zeros(3, bool)
    assert classification.out_of_scope_metrics(np.zeros(3), none, none) == {}


def test_slices_leave_out_small_groups_and_missing_values():
    correct = pd.Series([1.0] * 30 + [0.0] * 30 + [1.0] * 5)
    language = ["es"] * 30 + ["en"] * 30 + ["fr"] * 3 + [None] * 2
    found = classification.slices(correct, {"language": language})
    assert {(row["value"], row["rows"], row["accuracy"]) for row in found} == {
        ("es", 30, 1.0),
        ("en", 30, 0.0),
    }


def test_length_bands_cover_every_length():
    assert [classification.length_band(n) for n in (1, 4, 5, 9, 10, 19, 20, 500)] == [
        "1-4 words", "1-4 words", "5-9 words", "5-9 words", "10-19 words", "10-19 words", "20+ words", "20+ words",
    ]  # fmt: skip


def test_the_table_of_classes_says_what_each_is_mistaken_for():
    table = classification.per_class(["a", "a", "a", "b", "c"], ["a", "b", "b", "b", "x"])
    assert table["class"].tolist() == ["a", "b", "c"]
    assert table["rows"].tolist() == [3, 1, 1]
    assert table["mistaken_for"].tolist() == ["b", "", "x"]
    assert table["recall"].tolist() == pytest.approx([1 / 3, 1, 0])
    assert table["precision"].tolist() == pytest.approx([1, 1 / 3, 0])
