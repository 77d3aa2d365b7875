"""A training killed with SIGKILL ends, once resumed, with the very bits of one that was never interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_family.trainer import noisy, toy_setup

from vitrina.errors import ArtifactError
from vitrina.training import checkpoints
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import TrainOutcome, run

COMMON = {"batch_size": 16, "learning_rate": 0.02, "metric": "accuracy", "progress": False, "threads": 1}
# 128 rows / 16 = 8 batches an epoch; the kill is in the middle of an epoch, after a checkpoint and beyond it.
CASES: dict[str, tuple[dict[str, Any], str, int]] = {
    "average_plateau_accumulation": (
        {
            "epochs": 5,
            "ema_decay": 0.9,
            "schedule": "plateau",
            "plateau_patience": 0,
            "gradient_accumulation": 2,
            "eval_every": 3,
            "checkpoint_every": 5,
        },
        "step",
        12,
    ),
    "one_cycle_buckets_early_stop": (
        {
            "epochs": 12,
            "schedule": "one_cycle",
            "length_bucketing": True,
            "early_stopping_patience": 4,
            "eval_every": 4,
            "checkpoint_every": 6,
            "layerwise_lr_decay": 0.8,
        },
        "step",
        21,
    ),
    "while_saving": (
        {"epochs": 3, "schedule": "cosine", "ema_decay": 0.8, "checkpoint_every": 4, "eval_every": 4},
        "seal",
        12,
    ),
}


def train(options: dict[str, Any], folder: Path) -> tuple[dict[str, torch.Tensor], TrainOutcome]:
    setup = toy_setup(collator=noisy)
    outcome = run(setup, TrainingOptions(**options), folder)
    return setup.model.state_dict(), outcome


def kill(options: dict[str, Any], folder: Path, where: str, step: int) -> None:
    command = [sys.executable, "-m", "toy_family.killed", json.dumps(options), str(folder), where, str(step)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize("case", CASES)
def test_a_killed_training_resumes_to_the_same_bits(case: str, tmp_path: Path, toy_path: None) -> None:
    extra, where, step = CASES[case]
    options = {**COMMON, **extra}
    whole, expected = train(options, tmp_path / "whole")
    kill(options, tmp_path / "killed", where, step)
    resumed, outcome = train(options, tmp_path / "killed")
    assert_same_bits(whole, resumed)
    assert 0 < outcome.resumed_from < step
    assert (outcome.steps, outcome.best_step) == (expected.steps, expected.best_step)
    assert outcome.metrics == expected.metrics


def test_a_finished_training_that_is_run_again_takes_no_step(tmp_path: Path) -> None:
    options = {**COMMON, "epochs": 30, "early_stopping_patience": 2, "ema_decay": 0.9}
    first, expected = train(options, tmp_path)
    assert expected.steps < 30 * 8, "the case must stop early, where an epoch is left to run"
    second, outcome = train(options, tmp_path)
    assert outcome.resumed_from == outcome.steps == expected.steps
    assert_same_bits(first, second)


def test_checkpoints_may_move_to_another_folder(tmp_path: Path) -> None:
    options = {**COMMON, "epochs": 2}
    first, _ = train(options, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    second, outcome = train(options, tmp_path / "there")
    assert outcome.resumed_from == 16
    assert_same_bits(first, second)


def test_a_half_written_checkpoint_is_neither_read_nor_kept(tmp_path: Path) -> None:
    train({**COMMON, "epochs": 2}, tmp_path)
    half = tmp_path / "checkpoint-99"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert checkpoints.latest(tmp_path) == tmp_path / "checkpoint-16"
    checkpoints.discard_partial(tmp_path)
    assert not half.exists()


def test_a_truncated_file_makes_a_checkpoint_incomplete(tmp_path: Path) -> None:
    train({**COMMON, "epochs": 1}, tmp_path)
    folder = tmp_path / "checkpoint-8"
    assert checkpoints.is_whole(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert not checkpoints.is_whole(folder)


def test_a_missing_best_checkpoint_is_named(tmp_path: Path) -> None:
    options = {**COMMON, "epochs": 30, "early_stopping_patience": 2}
    _, outcome = train(options, tmp_path)
    (checkpoints.at_step(tmp_path, outcome.best_step) / "model.safetensors").unlink()
    assert outcome.best_step < outcome.steps
    with pytest.raises(ArtifactError, match=f"checkpoint-{outcome.best_step}, the best checkpoint"):
        train(options, tmp_path)
