"""What happens beside the steps: weight averaging, checkpoint cadence, progress, reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_model, save_model
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_callback import ExportableState

from vitrina.errors import RegistryError
from vitrina.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

EMA_FILE = "ema.safetensors"


class WeightAverage(TrainerCallback):
    """Moving average of the weights; after n updates its decay is min(decay, (1 + n) / (10 + n))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.average = AveragedModel(model, multi_avg_fn=self._blend)

    def _blend(self, averaged: list[torch.Tensor], current: list[torch.Tensor], updates: torch.Tensor) -> None:
        n = int(updates)
        get_ema_multi_avg_fn(min(self.decay, (1 + n) / (10 + n)))(averaged, current, n)

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.average.update_parameters(self.model)

    def save(self, checkpoint: Path) -> None:
        save_model(self.average.module, str(checkpoint / EMA_FILE))

    def load(self, checkpoint: Path, updates: int) -> None:
        """Restore the average as it was after `updates` optimizer steps."""
        load_model(self.average.module, checkpoint / EMA_FILE)
        self.average.n_averaged.fill_(updates)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model with averaged weights, for the length of a `with`."""
        weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.module.state_dict())
        try:
            yield
        finally:
            self.model.load_state_dict(weights)


class CheckpointCadence(TrainerCallback):
    """Asks for a checkpoint every so many steps and after the last one."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, _args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self.steps == 0 or state.global_step >= state.max_steps:
            control.should_save = True


class Progress(TrainerCallback):
    """A bar on a terminal; elsewhere one line an evaluation. Writes to stderr only."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.started = time.monotonic()

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        _args: Any,
        state: TrainerState,
        _control: Any,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        shown = {name: f"{value:.4g}" for name, value in (logs or {}).items() if _worth_showing(name)}
        if self.bar is not None:
            self.bar.set_postfix(shown)
        elif state.is_world_process_zero and any(name.startswith("eval_") for name in shown):
            text = " ".join(f"{name.removeprefix('eval_')}={value}" for name, value in shown.items())
            took = time.monotonic() - self.started
            print(f"step {state.global_step}/{state.max_steps} {took:.0f}s {text}", file=sys.stderr, flush=True)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _worth_showing(name: str) -> bool:
    return name in ("loss", "learning_rate") or (
        name.startswith("eval_") and not name.endswith(("runtime", "per_second"))
    )


class MLflowReport(TrainerCallback, ExportableState):
    """Parameters and metrics in an MLflow run, sent in batches; a resumed training goes on in its own run."""

    def __init__(self, name: str = "", params: Mapping[str, Any] | None = None) -> None:
        self.name, self.params = name, dict(params or {})
        self.run_id: str | None = None
        self._pending: list[tuple[str, float, int, int]] = []

    def state(self) -> dict[str, Any]:
        return {"args": {"name": self.name, "params": self.params}, "attributes": {"run_id": self.run_id}}

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if state.is_world_process_zero and self.run_id is None:
            self.run_id = _reach(self._open)

    def on_log(
        self, _args: Any, state: TrainerState, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        now = int(time.time() * 1000)
        numbers = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        self._pending += [(name, float(value), now, state.global_step) for name, value in numbers.items()]

    def on_evaluate(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            _reach(self._send)

    def on_train_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            _reach(self._send)
            _reach(lambda: _client().set_terminated(self.run_id))

    def _open(self) -> str:
        from mlflow.entities import Param

        client = _client()
        experiment = client.get_experiment_by_name("vitrina")
        identifier = experiment.experiment_id if experiment else client.create_experiment("vitrina")
        run_id = client.create_run(identifier, run_name=self.name).info.run_id
        client.log_batch(run_id, params=[Param(name, str(value)) for name, value in self.params.items()])
        return run_id

    def _send(self) -> None:
        from mlflow.entities import Metric

        pending, self._pending = self._pending, []
        _client().log_batch(self.run_id, metrics=[Metric(*point) for point in pending])


def _client() -> Any:
    import os

    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return MlflowClient(tracking_uri())


def tracking_uri() -> str:
    """Where MLflow is: `VITRINA_TRACKING_URI`, else the local server."""
    settings = load_settings()
    return settings.tracking_uri or f"http://127.0.0.1:{settings.mlflow_port}"


def _reach(action: Callable[[], Any]) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return action()
    except MlflowException as error:
        reason = str(error).splitlines()[0][:200]
        raise RegistryError(
            f"Cannot report to MLflow at {tracking_uri()} ({reason}): start it with `vitrina up`, or leave "
            "mlflow out of training.report_to."
        ) from error


def tensorboard(name: str) -> TrainerCallback:
    """transformers' TensorBoard reporter; writes below VITRINA_HOME unless TENSORBOARD_LOGGING_DIR is set."""
    from transformers.integrations import TensorBoardCallback

    reporter = TensorBoardCallback()
    reporter.logging_dir = reporter.logging_dir or str(load_settings().home / "tensorboard" / name)
    return reporter
