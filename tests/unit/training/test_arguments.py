"""From options to transformers' arguments: every option arrives, none is silently dropped."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from vitrina.training import arguments, callbacks, checkpoints, engine, schedules
from vitrina.training.arguments import RENAMED, TrainingOptions, threads, training_arguments

CHANGED: dict[str, Any] = {
    "epochs": 5.0,
    "batch_size": 3,
    "eval_batch_size": 5,
    "gradient_accumulation": 2,
    "learning_rate": 0.5,
    "weight_decay": 0.3,
    "gradient_clipping": 0.1,
    "label_smoothing": 0.2,
    "compile": True,
    "gradient_checkpointing": True,
    "metric": "accuracy",
    "log_every": 3,
    "seed": 11,
    "workers": 2,
}


def test_renamed_options_arrive_in_transformers() -> None:
    options = TrainingOptions(**CHANGED)
    theirs = training_arguments(options, Path("unused"), 10, "name")
    for ours, name in RENAMED.items():
        if name != "torch_compile":
            assert getattr(theirs, name) == getattr(options, ours), ours
    assert theirs.torch_compile is True
    assert theirs.greater_is_better is True


def test_no_option_is_without_effect() -> None:
    """Each option is renamed or read somewhere in the engine; `num_processes` is read by the train job."""
    from vitrina.jobs import train

    modules = (arguments, callbacks, checkpoints, engine, schedules, inspect.getmodule(train))
    source = "".join(inspect.getsource(module) for module in modules if module)
    for name in TrainingOptions.model_fields:
        assert name in RENAMED or any(f"{holder}.{name}" in source for holder in ("options", "training", "self")), name


@pytest.mark.parametrize(
    ("metric", "stated", "maximise"),
    [("loss", None, False), ("eval_loss", None, False), ("accuracy", None, True), ("mae", False, False)],
)
def test_the_direction_of_a_metric_is_known_or_stated(metric: str, stated: bool | None, maximise: bool) -> None:
    assert TrainingOptions(metric=metric, greater_is_better=stated).maximise is maximise


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("none", ()),
        (["none"], ()),
        (None, ()),
        ("mlflow", ("mlflow",)),
        ("tensorboard, wandb", ("tensorboard", "wandb")),
        (["mlflow"], ("mlflow",)),
    ],
)
def test_reporters_may_be_written_as_words_or_lists(given: Any, taken: tuple[str, ...]) -> None:
    assert TrainingOptions(report_to=given).report_to == taken


def test_threads_come_from_option_setting_or_half_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRINA_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert threads(TrainingOptions()) == 4
    assert threads(TrainingOptions(num_processes=4)) == 1
    monkeypatch.setenv("VITRINA_THREADS", "3")
    assert threads(TrainingOptions()) == 3
    assert threads(TrainingOptions(threads=5)) == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="states what happens without a GPU")
def test_without_a_gpu_training_stays_on_the_cpu() -> None:
    assert training_arguments(TrainingOptions(), Path("unused"), 10, "name").use_cpu


def test_transformers_reports_nowhere_by_itself() -> None:
    reported = training_arguments(TrainingOptions(report_to="mlflow,tensorboard"), Path("unused"), 10, "name")
    assert reported.report_to == []
