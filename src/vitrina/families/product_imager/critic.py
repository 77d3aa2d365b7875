"""The critic: a small network that tells a photo's category and how well photo and words agree.

It never sees generated pictures. What it has learned of real photos measures them: category, agreement with the
prompt (a contrastive space, Radford et al., 2021) and, by the distance of its features, how like a photo they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.training.spec import ExportInputs

CRITIC = "critic"
"""Its folder inside the model's, and its graph."""

WIDTHS = (32, 64, 128)
FEATURES = 64
SIDE = 64
"""Larger pictures are reduced to about this many pixels a side."""

SHARPNESS = 0.07
"""Temperature of the contrastive loss."""


class CriticConfig(PreTrainedConfig):
    """Configuration of `Critic`."""

    model_type = "vitrina_product_imager_critic"

    def __init__(
        self, channels: int = 3, side: int = 32, categories: int = 1, vocabulary: int = 1, **kwargs: Any
    ) -> None:
        self.channels, self.side, self.categories, self.vocabulary = channels, side, categories, vocabulary
        super().__init__(**kwargs)


@dataclass
class CriticOutput(ModelOutput):
    """Shapes: logits (batch, categories), features (batch, FEATURES), vector (batch, FEATURES) of length 1."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    features: Tensor | None = None
    vector: Tensor | None = None


class Critic(PreTrainedModel):
    """Halving convolutions, their mean, two heads; a prompt is the mean of its pieces' vectors."""

    config_class = CriticConfig
    base_model_prefix = "body"
    main_input_name = "pixels"

    def __init__(self, config: CriticConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        for inner, outer in zip((config.channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.GroupNorm(8, outer), nn.SiLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers)
        self.features = nn.Linear(WIDTHS[-1] * 2, FEATURES)
        self.category = nn.Linear(FEATURES, config.categories)
        self.joint = nn.Linear(FEATURES, FEATURES)
        self.words = nn.Embedding(config.vocabulary, FEATURES)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """The layers initialise themselves."""

    def forward(
        self,
        pixels: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        category: Tensor | None = None,
        return_loss: bool = True,  # a name that tells Trainer that batches without labels have a loss too
        **_: Any,
    ) -> CriticOutput:
        """`pixels` float 0–1 (batch, channels, side, side); `category` counts from 0, −1: not known."""
        if self.config.side > SIDE:
            pixels = F.avg_pool2d(pixels, self.config.side // SIDE)
        seen = self.body(pixels * 2 - 1)
        features = self.features(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1))
        logits, vector = self.category(F.silu(features)), F.normalize(self.joint(features), dim=1)
        if not return_loss or input_ids is None or attention_mask is None or category is None:
            return CriticOutput(logits=logits, features=features, vector=vector)
        loss = self._contrast(vector, input_ids, attention_mask)
        if bool((category >= 0).any()):
            loss = loss + F.cross_entropy(logits, category, ignore_index=-1)
        return CriticOutput(loss=loss, logits=logits, features=features, vector=vector)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Prompts in the space of the photos: (batch, FEATURES) of length 1."""
        kept = attention_mask.unsqueeze(-1).to(self.words.weight.dtype)
        mean = (self.words(input_ids) * kept).sum(1) / kept.sum(1).clamp(min=1)
        return F.normalize(mean, dim=1)

    def _contrast(self, vector: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Photos find their own prompt in the batch; equal prompts are equally right."""
        same = (input_ids[:, None] == input_ids[None]).all(-1).float()
        cosine = vector @ self.read(input_ids, attention_mask).T / SHARPNESS
        return F.cross_entropy(cosine, same / same.sum(1, keepdim=True))


class _Seen(nn.Module):
    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output = self.critic(pixels)
        return output.features, output.logits, output.vector


class _Read(nn.Module):
    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        return (self.critic.read(input_ids, attention_mask),)


def critic_graphs(critic: Critic, max_length: int) -> dict[str, ExportInputs]:
    """`critic`: pixels → features, logits, vector; `critic_words`: a prompt → vector."""
    config = critic.eval().config
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((2, config.channels, config.side, config.side), generator=generator)
    ids = torch.randint(0, config.vocabulary, (2, max_length), generator=generator)
    words = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    outputs = ("features", "logits", "vector")
    return {
        "critic": ExportInputs(_Seen(critic), {"pixels": pixels}, {"pixels": {0: "batch"}}, outputs),
        "critic_words": ExportInputs(_Read(critic), words, {name: {0: "batch"} for name in words}, ("vector",)),
    }
