"""Averaged weights, progress, and the reports to TensorBoard, W&B and MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_family.trainer import collate, toy_setup
from transformers import TrainerCallback

from vitrina.errors import RegistryError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.callbacks import EMA_FILE
from vitrina.training.engine import TrainOutcome, run

BASE: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.02, "progress": False, "threads": 1}


def fit(folder: Path, *callbacks: TrainerCallback, name: str = "training", **options: Any) -> tuple[Any, TrainOutcome]:
    setup = toy_setup()
    outcome = run(setup, TrainingOptions(**{**BASE, **options}), folder, name=name, extra_callbacks=callbacks)
    return setup, outcome


class Trajectory(TrainerCallback):
    """The raw weights after each step."""

    def __init__(self) -> None:
        self.weights: list[torch.Tensor] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        self.weights.append(model.head.weight.detach().clone())


def test_the_saved_weights_are_the_moving_average_of_the_steps(tmp_path: Path) -> None:
    raw = Trajectory()
    setup, outcome = fit(tmp_path, raw, ema_decay=0.5, metric="loss", eval_every=8)
    average = raw.weights[0]
    for updates, weights in enumerate(raw.weights[1:], start=1):
        decay = min(0.5, (1 + updates) / (10 + updates))
        average = decay * average + (1 - decay) * weights
    assert outcome.best_step == 8
    torch.testing.assert_close(setup.model.head.weight.detach(), average)
    assert not torch.equal(average, raw.weights[-1])


def test_the_average_is_evaluated_and_the_steps_go_on_from_the_raw_weights(tmp_path: Path) -> None:
    raw, plain = Trajectory(), Trajectory()
    setup, outcome = fit(tmp_path / "a", raw, ema_decay=0.9, metric="loss", eval_every=4)
    fit(tmp_path / "b", plain, metric="loss", eval_every=4)
    assert all(map(torch.equal, raw.weights, plain.weights)), "evaluating the average must not touch the steps"
    batch = collate([setup.eval_dataset[row] for row in range(64)])
    with torch.inference_mode():
        loss = float(setup.model.eval()(**batch).loss)
    assert outcome.metrics["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_checkpoint_holds_raw_and_averaged_weights(tmp_path: Path) -> None:
    fit(tmp_path, ema_decay=0.9)
    folder = tmp_path / "checkpoint-8"
    raw, average = load_file(folder / "model.safetensors"), load_file(folder / EMA_FILE)
    assert raw.keys() == average.keys()
    assert not torch.equal(raw["head.weight"], average["head.weight"])


def test_without_decay_there_is_no_average(tmp_path: Path) -> None:
    fit(tmp_path)
    assert not list(tmp_path.rglob(EMA_FILE))


def test_progress_goes_to_stderr_a_line_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, progress=True, metric="accuracy")
    written = capsys.readouterr()
    lines = [line for line in written.err.splitlines() if line.startswith("step ")]
    assert written.out == ""
    assert [line.split()[1] for line in lines] == ["4/8", "8/8"]
    assert "accuracy=" in lines[0]


def test_without_progress_nothing_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, progress=False)
    written = capfd.readouterr()
    assert written.out == ""
    assert "step" not in written.err


def test_on_a_terminal_progress_is_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(tmp_path, progress=True)
    written = capsys.readouterr()
    assert "8/8" in written.err
    assert "step/s" in written.err
    assert written.out == ""


def test_tensorboard_gets_losses_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    fit(tmp_path / "c", report_to="tensorboard", name="toy-base", log_every=2)
    events = EventAccumulator(str(tmp_path / "home" / "tensorboard" / "toy-base"))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "eval/loss", "eval/accuracy"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("eval/accuracy")] == [4, 8]


def test_wandb_gets_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    try:
        fit(tmp_path / "c", report_to="wandb", name="toy-base")
        assert wandb.run is not None
        assert wandb.run.name == "toy-base"
        assert wandb.run.project == "vitrina"
        assert wandb.run.summary["eval/accuracy"] > 0
    finally:
        wandb.finish()
    assert list(tmp_path.rglob("*.wandb")), "the run is kept in a file"


def test_mlflow_gets_parameters_and_metrics_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("VITRINA_TRACKING_URI", uri)
    _, outcome = fit(tmp_path / "c", report_to="mlflow", name="toy-base", log_every=2)
    client = MlflowClient(uri)
    assert outcome.run_id is not None
    found = client.get_run(outcome.run_id)
    assert found.info.run_name == "toy-base"
    assert found.info.status == "FINISHED"
    assert found.data.params["learning_rate"] == "0.02"
    assert found.data.metrics["eval_accuracy"] == outcome.history[-2]["eval_accuracy"]
    assert [point.step for point in client.get_metric_history(outcome.run_id, "loss")] == [2, 4, 6, 8]


def test_a_resumed_training_goes_on_in_its_mlflow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    class Killed(Exception):
        pass

    class DieAfter(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 6:
                raise Killed

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("VITRINA_TRACKING_URI", uri)
    with pytest.raises(Killed):
        fit(tmp_path / "c", DieAfter(), report_to="mlflow")
    _, outcome = fit(tmp_path / "c", report_to="mlflow")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("vitrina")
    assert experiment is not None
    assert [one.info.run_id for one in client.search_runs([experiment.experiment_id])] == [outcome.run_id]
    assert [point.step for point in client.get_metric_history(str(outcome.run_id), "eval_loss")] == [4, 8]


def test_mlflow_that_cannot_be_reached_is_said_before_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    raw = Trajectory()
    with pytest.raises(RegistryError, match=r"Cannot report to MLflow at http://127.0.0.1:9 .*vitrina up"):
        fit(tmp_path, raw, report_to="mlflow")
    assert raw.weights == []


def test_history_can_be_written_as_json(tmp_path: Path) -> None:
    _, outcome = fit(tmp_path)
    assert json.loads(json.dumps(outcome.history)) == outcome.history
