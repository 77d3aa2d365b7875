"""The `training:` section of a preset, and how it becomes `transformers.TrainingArguments`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vitrina.errors import UsageError
from vitrina.settings import load_settings
from vitrina.training.schedules import scheduler_arguments

if TYPE_CHECKING:
    from transformers import TrainingArguments

Cadence = Annotated[int, Field(ge=1)] | Literal["epoch"]
Schedule = Literal["linear", "cosine", "one_cycle", "plateau", "constant"]
Reporter = Literal["tensorboard", "wandb", "mlflow"]


class TrainingOptions(BaseModel):
    """Everything the engine can be told. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: float = Field(3.0, gt=0, description="Passes over the training rows.")
    max_steps: int = Field(0, ge=0, description="Optimizer steps; when above 0 it decides instead of epochs.")
    batch_size: int = Field(32, ge=1, description="Rows a step, process and accumulation.")
    eval_batch_size: int = Field(128, ge=1, description="Rows a batch while evaluating.")
    gradient_accumulation: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    learning_rate: float = Field(5e-5, gt=0, description="Peak learning rate.")
    head_learning_rate: float = Field(
        0.0, ge=0, description="Peak rate of everything that is not the encoder; 0: learning_rate."
    )
    weight_decay: float = Field(0.01, ge=0, description="Decoupled decay; not on biases and normalisation.")
    layerwise_lr_decay: float = Field(
        1.0, gt=0, le=1, description="Each encoder layer below the top learns this much slower; 1: all alike."
    )
    optimizer: Literal["adamw", "adamw_fused"] = Field(
        "adamw_fused", description="AdamW; the fused kernel is 5x faster on a CPU too (22M weights: 0.02 s a step)."
    )
    schedule: Schedule = Field("linear", description="How the learning rate moves after the warm-up.")
    warmup_ratio: float = Field(
        0.0, ge=0, lt=1, description="Share of the steps that warm up; one_cycle: its rising part (0: 0.3)."
    )
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: the rate is multiplied by this.")
    plateau_patience: int = Field(1, ge=0, description="plateau: evaluations without progress before that.")
    gradient_clipping: float = Field(1.0, ge=0, description="Largest gradient norm; 0: no clipping.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Probability mass spread over all labels.")
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="Moving average of the weights, evaluated and saved instead; 0: off."
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="Autocast type; fp16 needs a GPU.")
    compile: bool = Field(False, description="torch.compile the model.")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: less memory, slower.")
    length_bucketing: bool = Field(False, description="Batch rows of similar length: less padding.")
    metric: str = Field("loss", description="Validation metric that picks the best weights.")
    greater_is_better: bool | None = Field(None, description="Direction of metric; null: yes unless it is a loss.")
    early_stopping_patience: int = Field(0, ge=0, description="Evaluations without progress to stop; 0: never.")
    eval_every: Cadence = Field("epoch", description="Evaluate every so many steps, or each epoch.")
    checkpoint_every: Cadence = Field("epoch", description="Checkpoint every so many steps, or each epoch.")
    keep_checkpoints: int = Field(1, ge=1, description="Checkpoints kept; the best and the last always are.")
    log_every: int = Field(10, ge=1, description="Steps between logged losses.")
    report_to: tuple[Reporter, ...] = Field((), description="Where metrics go: tensorboard, wandb, mlflow.")
    progress: bool = Field(True, description="Progress on stderr.")
    seed: int = Field(7, ge=0, lt=2**32, description="Seed of initialisation, order and dropout.")
    threads: int = Field(0, ge=0, description="Torch threads a process; 0: VITRINA_THREADS, or half the cores.")
    workers: int = Field(0, ge=0, description="Processes that load data; 0: the training process itself.")
    num_processes: int = Field(1, ge=1, description="Processes on this machine (torchrun): one a GPU, or gloo on CPU.")

    @field_validator("report_to", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """`none`, `mlflow` and `tensorboard,mlflow` may be written as plain words."""
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        return () if names in (["none"], ("none",), [""], None) else names

    @model_validator(mode="after")
    def _schedule_uses_warmup(self) -> TrainingOptions:
        if self.schedule == "plateau" and self.warmup_ratio:
            raise ValueError("warmup_ratio has no effect with schedule plateau: set it to 0")
        return self

    @property
    def maximise(self) -> bool:
        """Whether a larger `metric` is better."""
        return not self.metric.endswith("loss") if self.greater_is_better is None else self.greater_is_better


# Options that only bear another name in transformers.
RENAMED = {
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "gradient_clipping": "max_grad_norm",
    "label_smoothing": "label_smoothing_factor",
    "compile": "torch_compile",
    "gradient_checkpointing": "activation_checkpointing",
    "metric": "metric_for_best_model",
    "maximise": "greater_is_better",
    "log_every": "logging_steps",
    "seed": "seed",
    "workers": "dataloader_num_workers",
}
OPTIMIZERS = {"adamw": "adamw_torch", "adamw_fused": "adamw_torch_fused"}


def training_arguments(options: TrainingOptions, folder: Path, epoch_steps: int, name: str) -> TrainingArguments:
    """The options as transformers understands them.

    Args:
        folder: where checkpoints go.
        epoch_steps: optimizer steps of one epoch.
        name: the run's name for the reporters.

    Raises:
        UsageError: when this machine cannot do what is asked.
    """
    import torch
    from transformers import TrainingArguments

    if "wandb" in options.report_to:
        os.environ.setdefault("WANDB_PROJECT", "vitrina")
    gpu = torch.cuda.is_available()
    _check_precision(options.precision, gpu)
    return TrainingArguments(
        output_dir=str(folder),
        run_name=name,
        use_cpu=not gpu,
        max_steps=options.max_steps or -1,
        optim=OPTIMIZERS[options.optimizer],
        bf16=options.precision == "bf16",
        fp16=options.precision == "fp16",
        eval_strategy="steps",
        eval_steps=steps_between(options.eval_every, epoch_steps),
        save_strategy="best",  # the engine also saves at checkpoint_every and keeps keep_checkpoints
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        disable_tqdm=True,  # the engine has its own progress, which leaves stdout alone
        report_to=[reporter for reporter in options.report_to if reporter == "wandb"],
        data_seed=options.seed,
        ddp_backend=None if int(os.environ.get("WORLD_SIZE", "1")) == 1 else "nccl" if gpu else "gloo",
        **scheduler_arguments(options),
        **{theirs: getattr(options, ours) for ours, theirs in RENAMED.items()},
    )


def steps_between(cadence: int | Literal["epoch"], epoch_steps: int) -> int:
    """A cadence in optimizer steps."""
    return epoch_steps if cadence == "epoch" else cadence


def threads(options: TrainingOptions) -> int:
    """Torch threads of one process.

    Half the cores by default: a step that shares its cores is slower with all of them (64x14 tokens on 2 busy
    cores: 0.45 s with one thread, 1.8 s with two).
    """
    chosen = options.threads or load_settings().threads
    return chosen or max(1, len(os.sched_getaffinity(0)) // 2 // options.num_processes)


def _check_precision(precision: str, gpu: bool) -> None:
    import torch

    if precision == "fp16" and not gpu:
        raise UsageError("training.precision fp16 needs a GPU; on a CPU use bf16 or fp32.")
    if precision == "bf16" and gpu and not torch.cuda.is_bf16_supported():
        raise UsageError("training.precision bf16 is not supported by this GPU; use fp16 or fp32.")
