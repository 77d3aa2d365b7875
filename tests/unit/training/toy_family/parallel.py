"""One rank of a training under torchrun: writes its weights and what its first step's gradient was."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from toy_family.trainer import toy_setup
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import run


class FirstGradient(TrainerCallback):
    def __init__(self) -> None:
        self.value: torch.Tensor | None = None

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        if self.value is None:
            self.value = model.head.weight.grad.clone()


if __name__ == "__main__":
    options, checkpoints, output = sys.argv[1:]
    first = FirstGradient()
    setup = toy_setup(dropout=0.0)
    outcome = run(setup, TrainingOptions(**json.loads(options)), Path(checkpoints), extra_callbacks=[first])
    rank = os.environ.get("RANK", "0")
    facts = {
        "weights": setup.model.state_dict(),
        "gradient": first.value,
        "metrics": outcome.metrics,
        "steps": outcome.steps,
        "resumed_from": outcome.resumed_from,
        "kfp": os.environ.get("_KFP_RUNTIME"),
    }
    torch.save(facts, Path(output) / f"rank{rank}.pt")
