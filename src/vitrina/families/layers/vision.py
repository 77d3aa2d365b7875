"""Photo → vector: a compact ConvNet trained from scratch, or a vision model of the Hugging Face hub."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from vitrina.artifacts import read_json
from vitrina.text.encoders import resolve_encoder

CROP = 0.12
"""How far, of a side, a training photo is moved or scaled."""


class Residual(nn.Module):
    r"""$x + W_2 * \mathrm{relu}(W_1 * x)$, both 3 × 3 and batch-normalised (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width), nn.ReLU(), *convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def convolution(inner: int, outer: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inner, outer, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outer)


class CompactVision(nn.Module):
    """Stages of one halving convolution and residual blocks, then the mean over the picture.

    Input (photos, 3, side, side) float 0–1; output (photos, last of `channels`).
    """

    def __init__(self, channels: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in zip((3, *channels[:-1]), channels, strict=True):
            layers += [*convolution(inner, outer), nn.ReLU(), nn.MaxPool2d(2)]
            layers += [Residual(outer) for _ in range(blocks)]
        self.body = nn.Sequential(*layers)
        self.width = channels[-1]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.body(pixels * 4 - 2).mean((2, 3))


class HubVision(nn.Module):
    """Any vision model of the hub (ViT, ConvNeXt, DINOv2 …): its pooled output, else the mean of its last states."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config` is what `vision_config` gives; weights are random until `load`."""
        super().__init__()
        nested = dict(config)
        for name, values in zip(("mean", "spread"), (nested.pop("image_mean"), nested.pop("image_std")), strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        self.model = AutoModel.from_config(AutoConfig.for_model(nested.pop("model_type"), **nested))
        sizes = getattr(self.model.config, "hidden_sizes", None)
        self.width = int(sizes[-1] if sizes else self.model.config.hidden_size)

    def load(self, name: str) -> None:
        """Take the pretrained weights of `name`, a hub id or folder."""
        self.model = AutoModel.from_pretrained(resolve_encoder(name), config=self.model.config, dtype=torch.float32)

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.model(pixel_values=(pixels - self.mean) / self.spread)
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        states = output.last_hidden_state
        return states.mean((2, 3)) if states.dim() == 4 else states.mean(1)


def vision_config(name: str) -> dict[str, Any]:
    """The configuration of a vision model, and how it wants its pixels scaled (`image_mean`, `image_std`)."""
    folder = resolve_encoder(name)
    said = folder / "preprocessor_config.json"
    scaling = read_json(said) if said.is_file() else {}
    scaled = {key: scaling.get(key, [0.5, 0.5, 0.5]) for key in ("image_mean", "image_std")}
    return {**AutoConfig.from_pretrained(folder).to_dict(), **scaled}


def varied(pixels: Tensor) -> Tensor:
    """Training photos moved, scaled, mirrored and otherwise lit; (photos, 3, side, side) float 0–1."""
    photos = len(pixels)
    scale = 1 + CROP * (2 * torch.rand(photos, 1) - 1)
    mirror = torch.where(torch.rand(photos, 1) < 0.5, -1.0, 1.0)
    shift = CROP * (2 * torch.rand(photos, 2) - 1)
    zero = torch.zeros(photos, 1)
    rows = torch.cat([scale * mirror, zero, shift[:, :1], zero, scale, shift[:, 1:]], 1).view(photos, 2, 3)
    grid = F.affine_grid(rows.to(pixels), list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    light = 1 + 0.2 * (2 * torch.rand(photos, 1, 1, 1) - 1)
    return (moved * light.to(pixels)).clamp(0, 1)
