"""A training without steps: `fit` does all, and a setup with neither rows nor `fit` is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from toy_family.trainer import toy_setup

from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import run


def test_a_model_in_closed_form_is_fitted_and_takes_no_step(tmp_path: Path) -> None:
    calls = []

    def fit() -> dict[str, float]:
        calls.append(1)
        return {"ndcg_at_10": 0.25}

    setup = dataclasses.replace(toy_setup(), train_dataset=None, eval_dataset=None, fit=fit)
    outcome = run(setup, TrainingOptions(metric="ndcg_at_10"), tmp_path / "checkpoints")
    assert calls == [1]
    assert (outcome.metrics, outcome.steps, outcome.best_step) == ({"ndcg_at_10": 0.25}, 0, 0)
    assert outcome.history == [{"step": 0, "eval_ndcg_at_10": 0.25}]
    assert not (tmp_path / "checkpoints").exists()


def test_without_rows_and_without_a_fit_nothing_can_be_trained(tmp_path: Path) -> None:
    setup = dataclasses.replace(toy_setup(), train_dataset=None, eval_dataset=None)
    with pytest.raises(UsageError, match="no training rows"):
        run(setup, TrainingOptions(), tmp_path)
