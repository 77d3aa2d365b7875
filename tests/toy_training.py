"""Trainings of the toy model that the tests of the engine look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from toy_family.trainer import toy_setup
from transformers import TrainerCallback

from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import run
from vitrina.training.spec import TrainingSetup

Weights = dict[str, torch.Tensor]
BASE: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.02, "progress": False, "threads": 1}


def distance(first: Weights, second: Weights) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


class Watch(TrainerCallback):
    """Notes what a training does."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.rates: list[list[float]] = []
        self.evaluated: list[int] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        gradients = [value.grad.norm() for value in model.parameters() if value.grad is not None]
        self.norms.append(float(torch.stack(gradients).norm()))

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any, **kwargs: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.evaluated.append(state.global_step)


def watch(tmp_path: Path, setup: TrainingSetup | None = None, **options: Any) -> Watch:
    watcher = Watch()
    run(setup or toy_setup(), TrainingOptions(**{**BASE, **options}), tmp_path / "w", extra_callbacks=[watcher])
    return watcher
