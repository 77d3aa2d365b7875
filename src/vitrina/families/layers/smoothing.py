"""The trainer of the families whose models take label smoothing as an argument of `forward`."""

from __future__ import annotations

from typing import Any

from transformers import Trainer


class SmoothedTrainer(Trainer):
    """Hands the model the engine's label smoothing in training, and 0 in evaluation."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        smoothing = self.args.label_smoothing_factor if model.training else 0.0
        output = model(**inputs, smoothing=smoothing)
        return (output.loss, output) if return_outputs else output.loss
