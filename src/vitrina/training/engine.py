"""The one training engine: `transformers.Trainer` told by `TrainingOptions`, exact in its resume."""

from __future__ import annotations

import inspect
import math
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import IterableDataset, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from vitrina.errors import ArtifactError, UsageError, VitrinaError
from vitrina.training import callbacks as reports
from vitrina.training import checkpoints as folders
from vitrina.training.arguments import TrainingOptions, steps_between, threads, training_arguments
from vitrina.training.order import EpochOrder, EpochSetter, SeededBatches, only, row_lengths
from vitrina.training.schedules import layerwise_groups, one_cycle
from vitrina.training.spec import TrainingSetup


class OutOfMemory(UsageError):
    """The accelerator's memory does not hold a training step."""


class Diverged(UsageError):
    """The validation loss is no number any more."""


@dataclass(frozen=True)
class TrainOutcome:
    """What a training did; `setup.model` holds the best (averaged, where asked) weights afterwards.

    Attributes:
        metrics: of these weights on the evaluation rows, without the `eval_` prefix.
        seconds: wall time of this process; a resumed training counts from the resume.
        history: every log entry, in order.
        best_step: optimizer step of the weights kept; `steps` is the last one taken.
        resumed_from: the step this process started at.
        run_id: MLflow run, where one was asked for.
    """

    metrics: dict[str, float]
    seconds: float
    history: list[dict[str, float]] = field(repr=False)
    steps: int
    best_step: int
    resumed_from: int = 0
    run_id: str | None = None


def run(
    setup: TrainingSetup,
    options: TrainingOptions,
    checkpoints: Path,
    *,
    name: str = "training",
    extra_callbacks: Sequence[TrainerCallback] = (),
) -> TrainOutcome:
    """Train `setup.model` in place, from the newest whole checkpoint in `checkpoints` where there is one.

    Raises:
        UsageError: when options and family do not fit. Diverged: when the loss is no number any more.
            OutOfMemory: when the accelerator's memory does not hold a step.
    """
    torch.set_num_threads(threads(options))
    if setup.train_dataset is None:
        return _closed_form(setup)
    logging.disable_progress_bar()  # one bar a saved checkpoint says nothing
    began = time.perf_counter()
    trainer = build(setup, options, checkpoints, name, extra_callbacks)
    if trainer.args.should_save:
        folders.discard_partial(checkpoints)
    start = folders.latest(checkpoints)
    try:
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(_smaller(options)) from error
    state = trainer.state
    reporters = [
        callback for callback in trainer.callback_handler.callbacks if isinstance(callback, reports.MLflowReport)
    ]
    return TrainOutcome(
        metrics=_metrics_at(state.log_history, state.best_global_step),
        seconds=time.perf_counter() - began,
        history=list(state.log_history),
        steps=state.global_step,
        best_step=state.best_global_step,
        resumed_from=trainer._initial_global_step,
        run_id=reporters[0].run_id if reporters else None,
    )


def _smaller(options: TrainingOptions) -> str:
    """What to do about a step that does not fit, with the same number of rows an optimizer step."""
    half, twice = max(1, options.batch_size // 2), 2 * options.gradient_accumulation
    advice = (
        [f"training.batch_size={half} with training.gradient_accumulation={twice}"] if options.batch_size > 1 else []
    )
    advice += [] if options.gradient_checkpointing else ["training.gradient_checkpointing=true"]
    tried = ", or ".join(advice) or "a smaller model"
    return f"The accelerator's memory does not hold a step of {options.batch_size} rows: try {tried}."


def _closed_form(setup: TrainingSetup) -> TrainOutcome:
    """The outcome of a training without steps."""
    if setup.fit is None:
        raise UsageError("There are no training rows.")
    began = time.perf_counter()
    metrics = setup.fit()
    entry = {"step": 0, **{f"eval_{name}": value for name, value in metrics.items()}}
    return TrainOutcome(metrics, time.perf_counter() - began, [entry], steps=0, best_step=0)


def build(
    setup: TrainingSetup,
    options: TrainingOptions,
    checkpoints: Path,
    name: str = "training",
    extra_callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """The trainer of a setup, ready to train."""
    base = setup.trainer_class or Trainer
    engine = type(f"Engine{base.__name__}", (_Engine, base), {})
    arguments = training_arguments(options, checkpoints, _epoch_steps(setup, options), name)
    _check_fit(setup, options)
    _own_accumulation(setup.model)
    seeded = not isinstance(setup.train_dataset, IterableDataset)
    wrap = (lambda rows: SeededBatches(rows, setup.collator, options.seed)) if seeded else (lambda rows: rows)
    assert setup.train_dataset is not None  # a model in closed form is never built a trainer
    assert setup.eval_dataset is not None
    trainer = engine(
        model=setup.model,
        args=arguments,
        data_collator=only if seeded else setup.collator,
        train_dataset=wrap(setup.train_dataset),
        eval_dataset=wrap(setup.eval_dataset),
        processing_class=setup.processing_class,
        compute_metrics=setup.compute_metrics,
    )
    trainer.equip(options, setup, name, extra_callbacks)
    return trainer


class _Engine(Trainer):
    """What Vitrina adds to any Trainer: order, schedules, averaged weights, whole checkpoints."""

    options: TrainingOptions
    optimizer: Any
    lr_scheduler: Any
    average: reports.WeightAverage | None = None
    order: EpochOrder | None = None

    def equip(
        self,
        options: TrainingOptions,
        setup: TrainingSetup,
        name: str,
        extra_callbacks: Sequence[TrainerCallback],
    ) -> None:
        """Take the options transformers has no name for."""
        self.options = options
        self.remove_callback(PrinterCallback)
        if not isinstance(setup.train_dataset, IterableDataset):
            lengths = row_lengths(setup.train_dataset) if options.length_bucketing else None
            rows = len(setup.train_dataset)  # type: ignore[arg-type]
            batch = self.args.train_batch_size * options.gradient_accumulation
            self.order = EpochOrder(rows, options.seed, lengths, batch)
            self.add_callback(EpochSetter(self.order, self.train_dataset))
        if options.ema_decay:
            self.average = reports.WeightAverage(self.model, options.ema_decay)
            self.add_callback(self.average)
        self.add_callback(
            reports.CheckpointCadence(steps_between(options.checkpoint_every, _epoch_steps(setup, options)))
        )
        if options.early_stopping_patience:
            self.add_callback(EarlyStoppingCallback(options.early_stopping_patience))
        if options.progress:
            self.add_callback(reports.Progress())
        if "tensorboard" in options.report_to:
            self.add_callback(reports.tensorboard(name))
        if "mlflow" in options.report_to:
            self.add_callback(reports.MLflowReport(name, options.model_dump(mode="json")))
        for callback in extra_callbacks:
            self.add_callback(callback)

    def _get_train_sampler(self, _dataset: Any = None) -> Sampler[int] | None:
        return self.order

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None and (self.options.layerwise_lr_decay < 1 or self.options.head_learning_rate):
            decayed = set(self.get_decay_parameter_names(self.model))
            groups = layerwise_groups(self.model, self.options, decayed)
            optimizer, arguments = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = optimizer(groups, **arguments)
        return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None and self.options.schedule == "one_cycle":
            self.lr_scheduler = one_cycle(optimizer or self.optimizer, num_training_steps, self.options.warmup_ratio)
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.average.applied() if self.average else nullcontext():
            metrics = super().evaluate(*args, **kwargs)
        wanted = f"eval_{self.options.metric.removeprefix('eval_')}"
        if self.is_in_train and wanted not in metrics:
            known = ", ".join(sorted(name.removeprefix("eval_") for name in metrics if name.startswith("eval_")))
            raise UsageError(f"training.metric {self.options.metric} is not measured; there are: {known}.")
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """With save_strategy "best" this says whether to save: also when due, or when training stops."""
        best = super()._determine_best_metric(metrics, trial)
        if self.state.best_global_step is None or math.isnan(metrics.get("eval_loss", 0.0)):
            raise Diverged(
                f"Training diverged at step {self.state.global_step}: the validation loss is "
                f"{metrics.get('eval_loss')}; lower training.learning_rate or set training.gradient_clipping."
            )
        return best or self.control.should_save or self.control.should_training_stop

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = folders.at_step(Path(self.args.output_dir), self.state.global_step)
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save and self.average:
                self.average.save(folder)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                folders.seal(folder)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch says RuntimeError when the disk is full
            raise ArtifactError(f"Cannot write the checkpoint {folder}: {str(error).splitlines()[0]}.") from error
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            folders.rotate(folder.parent, self.options.keep_checkpoints, Path(best) if best else None)

    def _init_training_state(
        self, max_steps: int, update_steps: int, epochs: int, resume_from_checkpoint: str | None, trial: Any
    ) -> tuple[int, int]:
        done = super()._init_training_state(max_steps, update_steps, epochs, resume_from_checkpoint, trial)
        if resume_from_checkpoint is None:
            return done
        if self.average:
            self.average.load(Path(resume_from_checkpoint), self.state.global_step)
        if self.state.best_global_step is not None:  # the folder may have moved since
            best = folders.at_step(Path(self.args.output_dir), self.state.best_global_step)
            if not folders.is_whole(best):
                raise ArtifactError(
                    f"{best}, the best checkpoint, is missing or damaged: delete {best.parent} to start over."
                )
            self.state.best_model_checkpoint = str(best)
        return (epochs, 0) if self.control.should_training_stop else done  # it had stopped early: nothing is left

    def _load_best_model(self) -> None:
        if self.average is None:
            super()._load_best_model()
            return
        self.average.load(Path(self.state.best_model_checkpoint), self.state.best_global_step)
        self.model.load_state_dict(self.average.average.module.state_dict())


def _epoch_steps(setup: TrainingSetup, options: TrainingOptions) -> int:
    """Optimizer steps of one epoch over all processes."""
    if isinstance(setup.train_dataset, IterableDataset):
        if "epoch" in (options.eval_every, options.checkpoint_every) or not options.max_steps:
            raise UsageError("Rows that come as a stream need max_steps, eval_every and checkpoint_every in steps.")
        return options.max_steps
    rows = len(setup.train_dataset)  # type: ignore[arg-type]
    if rows == 0:
        raise UsageError("There are no training rows.")
    batches = math.ceil(rows / options.batch_size)
    share = math.ceil(batches / int(os.environ.get("WORLD_SIZE", "1")))
    return math.ceil(share / options.gradient_accumulation)


def _check_fit(setup: TrainingSetup, options: TrainingOptions) -> None:
    rows: Any = setup.train_dataset
    first = None if isinstance(rows, IterableDataset) else setup.collator([rows[0]])
    if options.label_smoothing and first is not None and "labels" not in first:
        raise UsageError("training.label_smoothing needs batches with labels; this family has none.")
    if options.gradient_checkpointing and not setup.model.supports_gradient_checkpointing:
        raise UsageError(f"training.gradient_checkpointing is not supported by {type(setup.model).__name__}.")


def _own_accumulation(model: Any) -> None:
    """Trainer takes any `**kwargs` for a loss divided by `num_items_in_batch`: ask for that name instead."""
    if not hasattr(model, "accepts_loss_kwargs"):
        model.accepts_loss_kwargs = "num_items_in_batch" in inspect.signature(model.forward).parameters


def _metrics_at(history: list[dict[str, float]], step: int) -> dict[str, float]:
    speed = ("_runtime", "_per_second", "_preparation_time")
    for entry in reversed(history):
        if entry["step"] == step and any(name.startswith("eval_") for name in entry):
            return {
                name.removeprefix("eval_"): float(value)
                for name, value in entry.items()
                if name.startswith("eval_") and not name.endswith(speed)
            }
    raise VitrinaError(f"No evaluation was recorded at step {step}.")
