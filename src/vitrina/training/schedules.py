"""Learning rate: schedules by name, and slower learning in lower encoder layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vitrina.errors import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import OneCycleLR

    from vitrina.training.arguments import TrainingOptions

LAYER = re.compile(r"\.(?:layers?|blocks?|h)\.(\d+)\.")
RISING_PART = 0.3


def scheduler_arguments(options: TrainingOptions) -> dict[str, Any]:
    """The schedule as arguments of `transformers.TrainingArguments`; one_cycle is made by `one_cycle`."""
    if options.schedule == "plateau":
        plateau = {
            "mode": "max" if options.maximise else "min",
            "factor": options.plateau_factor,
            "patience": options.plateau_patience,
        }
        return {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": plateau}
    names = {
        "linear": "linear",
        "cosine": "cosine",
        "one_cycle": "constant",
        "constant": "constant_with_warmup",
    }
    return {"lr_scheduler_type": names[options.schedule], "warmup_steps": options.warmup_ratio}


def one_cycle(optimizer: Optimizer, steps: int, warmup_ratio: float) -> OneCycleLR:
    """Rise to each group's rate, fall to almost nothing (Smith and Topin, arXiv 1708.07120)."""
    from torch.optim.lr_scheduler import OneCycleLR

    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=peaks, total_steps=steps, pct_start=warmup_ratio or RISING_PART)


def layerwise_groups(model: nn.Module, options: TrainingOptions, decayed: set[str]) -> list[dict[str, Any]]:
    """Parameter groups whose rate shrinks by `layerwise_lr_decay` a layer below the head (arXiv 1801.06146).

    What is not the encoder learns at `head_learning_rate`, where that is set.

    Args:
        model: has an `encoder` whose layers are numbered in their parameter names.
        decayed: names of the parameters that take weight decay.

    Raises:
        UsageError: when the model has no such encoder.
    """
    named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    layers = [int(match[1]) for name, _ in named if _in_encoder(name) and (match := LAYER.search(name))]
    if not layers:
        raise UsageError(
            "training.layerwise_lr_decay and training.head_learning_rate need a model with an encoder of "
            f"numbered layers; {type(model).__name__} has none."
        )
    top = max(layers) + 2
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, value in named:
        depth, decay = _depth(name, top), name in decayed
        rate = options.learning_rate * options.layerwise_lr_decay ** (top - depth)
        if options.head_learning_rate and not _in_encoder(name):
            rate = options.head_learning_rate
        group = {"params": [], "lr": rate, "weight_decay": options.weight_decay if decay else 0.0}
        groups.setdefault((rate, decay), group)["params"].append(value)
    return list(groups.values())


def _in_encoder(name: str) -> bool:
    return name.startswith("encoder.")


def _depth(name: str, top: int) -> int:
    """Embeddings 0, encoder layer i: i + 1, everything above (pooler, head): `top`."""
    if not _in_encoder(name):
        return top
    if match := LAYER.search(name):
        return int(match[1]) + 1
    return 0 if "embed" in name else top
