"""A training that kills its own process: `python -m toy_family.killed OPTIONS CHECKPOINTS (step|seal) N`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from toy_family.trainer import noisy, toy_setup
from vitrina.training import checkpoints
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAtStep(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            die()


def die_while_saving(step: int) -> None:
    """Die when the checkpoint of `step` has only half of its optimizer state and no seal."""
    seal = checkpoints.seal

    def seal_or_die(folder: Path) -> None:
        if folder.name == f"checkpoint-{step}":
            state = folder / "optimizer.pt"
            state.write_bytes(state.read_bytes()[:100])
            die()
        seal(folder)

    checkpoints.seal = seal_or_die


if __name__ == "__main__":
    options, folder, where, step = sys.argv[1:]
    if where == "seal":
        die_while_saving(int(step))
    callbacks = [DieAtStep(int(step))] if where == "step" else []
    run(
        toy_setup(collator=noisy),
        TrainingOptions(**json.loads(options)),
        Path(folder),
        extra_callbacks=callbacks,
    )
