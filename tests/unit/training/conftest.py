"""The fixture that trains the toy model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_family.trainer import toy_setup

from tests.toy_training import BASE, Weights
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import TrainOutcome, run
from vitrina.training.spec import TrainingSetup


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., tuple[Weights, TrainOutcome]]:
    """Train the toy model with options; each call in a folder of its own."""

    def train(setup: TrainingSetup | None = None, **options: Any) -> tuple[Weights, TrainOutcome]:
        setup = setup or toy_setup()
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        outcome = run(setup, TrainingOptions(**{**BASE, **options}), folder)
        return {name: value.clone() for name, value in setup.model.state_dict().items()}, outcome

    return train
