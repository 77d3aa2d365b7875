"""Two features → layers with dropout → two classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.training.spec import ExportInputs


class ToyConfig(PreTrainedConfig):
    model_type = "toy"

    def __init__(self, width: int = 16, layers: int = 2, dropout: float = 0.1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.width, self.layers, self.dropout = width, layers, dropout


@dataclass
class ToyOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class Encoder(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(2, config.width)
        self.layer = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.embed(features))
        for layer in self.layer:
            hidden = self.dropout(torch.tanh(layer(hidden)))
        return hidden


class ToyModel(PreTrainedModel):
    config_class = ToyConfig
    seen_dtypes: ClassVar[set[torch.dtype]] = set()

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, 2)
        self.post_init()

    def forward(self, features: torch.Tensor, labels: torch.Tensor | None = None, **unused: object) -> ToyOutput:
        logits = self.head(self.encoder(features))
        self.seen_dtypes.add(logits.dtype)
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        return ToyOutput(loss=loss, logits=logits)


def export_inputs(folder: Path) -> ExportInputs:
    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = ToyModel.from_pretrained(folder)

        def forward(self, features: torch.Tensor) -> tuple[torch.Tensor]:
            return (self.model(features).logits,)

    inputs = {"features": torch.zeros(2, 2)}
    return ExportInputs(Logits().eval(), inputs, {"features": {0: "batch"}}, ("logits",))
