"""Search ranges, pruning, and studies that go on where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from vitrina.errors import UsageError
from vitrina.training.tuning import Pruning, open_study, parse_space

SEARCH = {
    "training.learning_rate": "loguniform(1e-5, 1e-3)",
    "training.weight_decay": "uniform(0, 0.1)",
    "model.layers": "int(1,3)",
    "training.schedule": "choice(linear, cosine)",
    "training.batch_size": "choice(16,32)",
}


def test_ranges_are_read_and_drawn_with_their_types() -> None:
    space = parse_space(SEARCH)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = [{key: values.draw(trial, key) for key, values in space.items()} for trial in map(study.ask, [None] * 30)]
    assert all(1e-5 <= one["training.learning_rate"] <= 1e-3 for one in drawn)
    assert sum(one["training.learning_rate"] < 1e-4 for one in drawn) > 8, (
        "log-uniform: half lies below the middle power"
    )
    assert {one["model.layers"] for one in drawn} == {1, 2, 3}
    assert {one["training.schedule"] for one in drawn} == {"linear", "cosine"}
    assert {one["training.batch_size"] for one in drawn} == {16, 32}


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ({}, "Nothing to search"),
        ({"a": "normal(0,1)"}, r"Search a: 'normal\(0,1\)' is none of uniform"),
        ({"a": "uniform(1)"}, "uniform takes two numbers, got '1'"),
        ({"a": "int(1.5,2)"}, "int takes two numbers"),
        ({"a": "uniform(2,1)"}, "is not a range"),
        ({"a": "loguniform(0,1)"}, "above 0 in loguniform"),
        ({"a": "choice(only)"}, "choice needs two values or more"),
    ],
)
def test_a_range_that_is_none_is_refused(search: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_space(search)


def test_a_study_goes_on_and_frees_what_a_kill_left(tmp_path: Path) -> None:
    first = open_study(tmp_path, {"a": "uniform(0,1)"}, True, 7)
    first.tell(first.ask(), 0.5)
    first.ask()  # never told: the process died
    second = open_study(tmp_path, {"a": "uniform(0,1)"}, True, 7)
    assert [trial.state.name for trial in second.trials] == ["COMPLETE", "FAIL"]
    assert second.best_value == 0.5


def test_a_resumed_study_does_not_draw_its_first_values_again(tmp_path: Path) -> None:
    def draw() -> float:
        study = open_study(tmp_path, {"a": "uniform(0,1)"}, True, 7)
        trial = study.ask()
        value = trial.suggest_float("a", 0, 1)
        study.tell(trial, value)
        return value

    assert draw() != draw()


def test_a_study_of_other_ranges_is_refused(tmp_path: Path) -> None:
    open_study(tmp_path, {"a": "uniform(0,1)"}, True, 7)
    with pytest.raises(UsageError, match="holds a search over other ranges"):
        open_study(tmp_path, {"a": "uniform(0,2)"}, True, 7)


def test_a_trial_behind_the_median_is_pruned_at_its_evaluation() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=2))

    def evaluate(values: list[float]) -> Any:
        trial = study.ask()
        watcher = Pruning(trial, "accuracy")
        for value in values:
            watcher.on_evaluate(None, None, None, metrics={"eval_accuracy": value})
        study.tell(trial, values[-1])

    evaluate([0.8, 0.9])
    evaluate([0.7, 0.9])
    evaluate([0.9, 0.95])
    with pytest.raises(optuna.TrialPruned, match="after 1 evaluations"):
        evaluate([0.1, 0.9])
