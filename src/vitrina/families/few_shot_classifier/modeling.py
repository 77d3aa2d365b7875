"""The few-shot classifier: an encoder of texts or images, and what it has learned about adapting to new classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.few_shot_classifier.adaptation import Adaptation
from vitrina.families.few_shot_classifier.configuration import FewShotClassifierConfig
from vitrina.families.layers.text_encoder import TextEncoder
from vitrina.training.spec import ExportInputs

DIRECTIONS = 8
SMALLEST_GRID = 6
"""A convolution is followed by a pooling as long as its grid has so many cells a side."""


@dataclass
class FewShotOutput(ModelOutput):
    """Of a batch of episodes: mean loss, and the accuracy of each episode with and without the inner loop, (batch,)."""

    loss: Tensor | None = None
    accuracy: Tensor | None = None
    prototype_accuracy: Tensor | None = None


class Strokes(nn.Module):
    """Where strokes run in which direction, at a quarter of the resolution; fixed, so that nothing has to be learned.

    Per channel: the rectified slope in eight directions, and the ink itself, averaged over 4 x 4 pixels (histograms of
    oriented gradients, Dalal and Triggs, 2005, kept as a map). (batch, c, s, s) → (batch, 9 c, s / 4, s / 4).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        place = torch.arange(-2.0, 3.0)
        bell = torch.exp(-(place**2) / 2)
        slope = torch.outer(bell, -place * bell)  # along x; transposed along y
        turns = torch.arange(DIRECTIONS) * 2 * math.pi / DIRECTIONS
        kernels = [turn.cos() * slope + turn.sin() * slope.T for turn in turns] + [torch.outer(bell, bell)]
        kernel = torch.stack([each / each.abs().sum() for each in kernels]).unsqueeze(1).repeat(channels, 1, 1, 1)
        self.kernel = nn.Parameter(kernel, requires_grad=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return F.avg_pool2d(F.conv2d(pixels, self.kernel, padding=2, groups=self.channels).relu(), 4)


class ImageEncoder(nn.Module):
    """Convolutions over stroke directions; (batch, channels, s, s) → (batch, width).

    The last grid is not averaged but read whole: where a stroke is tells characters apart.
    """

    def __init__(self, channels: int, side: int, widths: list[int], width: int) -> None:
        super().__init__()
        self.width = width
        self.strokes = Strokes(channels)
        before, grid = channels * (DIRECTIONS + 1), side // 4
        layers: list[nn.Module] = [nn.BatchNorm2d(before)]
        for after in widths:
            layers.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            if grid >= SMALLEST_GRID:  # pooling first leaves normalisation and ReLU a quarter of the work
                layers.append(nn.MaxPool2d(2))
                grid //= 2
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        self.convolutions = nn.Sequential(*layers)
        self.projection = nn.Linear(before * grid * grid, width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self.convolutions(self.strokes(pixels)).flatten(1))


class FewShotClassifier(PreTrainedModel):
    """Learns from episodes: adapt to a few examples of each class, then answer; the answers' loss trains everything."""

    config_class = FewShotClassifierConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: FewShotClassifierConfig) -> None:
        super().__init__(config)
        if config.encoder is not None:
            self.encoder: TextEncoder | ImageEncoder = TextEncoder(config.encoder)
        else:
            image = config.image or {}
            channels = 1 if image["drawings"] else 3
            self.encoder = ImageEncoder(channels, image["side"], list(image["widths"]), image["embedding"])
        self.adaptation = Adaptation(self.encoder.width, config.order, config.inner_steps, config.inner_learning_rate)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(self.encoder, ImageEncoder) and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
            nn.init.zeros_(module.bias)
        else:
            super()._init_weights(module)

    def embed(self, **inputs: Tensor) -> Tensor:
        """Unit-length float32 rows (rows, width) for the encoder's inputs."""
        return F.normalize(self.encoder(**inputs).float(), dim=1)

    def forward(
        self,
        labels: Tensor,
        support: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixels: Tensor | None = None,
        smoothing: float = 0.0,
    ) -> FewShotOutput:
        """A batch of episodes of equal size.

        Args:
            labels: (batch, rows) int64, a row's class within its episode.
            support: (batch, rows) bool, the rows to learn from; the others are asked.
            input_ids, attention_mask: (batch, rows, tokens); `pixels`: (batch, rows, channels, s, s).
        """
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "pixels": pixels}
        rows = self.embed(**{name: value.flatten(0, 1) for name, value in given.items() if value is not None})
        with torch.autocast(rows.device.type, enabled=False):
            batch = zip(rows.view(*labels.shape, -1), labels, support, strict=True)
            parts = [self._episode(*one, smoothing) for one in batch]
        losses, adapted, nearest = (torch.stack(each) for each in zip(*parts, strict=True))
        return FewShotOutput(loss=losses.mean(), accuracy=adapted, prototype_accuracy=nearest)

    def _episode(
        self, rows: Tensor, labels: Tensor, support: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        ways = int(labels.max()) + 1
        adapted, nearest = self.adaptation(rows[support], labels[support], rows[~support], ways)
        truth = labels[~support]
        loss = F.cross_entropy(adapted, truth, label_smoothing=smoothing)
        if self.config.prototype_weight:
            own = F.cross_entropy(nearest, truth, label_smoothing=smoothing)
            loss = loss + self.config.prototype_weight * own
        right = [(logits.detach().argmax(1) == truth).float().mean() for logits in (adapted, nearest)]
        return loss, right[0], right[1]


class _TracedText(nn.Module):
    """The exported graph of a text encoder."""

    def __init__(self, model: FewShotClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        return (F.normalize(self.model.encoder(input_ids, attention_mask, traced=True).float(), dim=1),)


class _TracedImage(nn.Module):
    """The exported graph of an image encoder."""

    def __init__(self, model: FewShotClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        return (self.model.embed(pixels=pixels),)


def export_inputs(folder: Path) -> ExportInputs:
    """The trained encoder with a batch of two examples; see `ModelingModule.export_inputs`."""
    model = FewShotClassifier.from_pretrained(folder).eval()
    generator = torch.Generator().manual_seed(0)
    traced: nn.Module
    inputs: dict[str, Any]
    if isinstance(model.encoder, TextEncoder):
        words = model.encoder.model.get_input_embeddings().num_embeddings
        ids = torch.randint(5, words, (2, 12), generator=generator)
        traced, inputs = _TracedText(model), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        dynamic = {name: {0: "batch", 1: "tokens"} for name in inputs}
    else:
        image = model.config.image
        size = (2, 1 if image["drawings"] else 3, image["side"], image["side"])
        traced, inputs = _TracedImage(model), {"pixels": torch.rand(size, generator=generator)}
        dynamic = {"pixels": {0: "batch"}}
    return ExportInputs(model=traced, inputs=inputs, dynamic=dynamic, outputs=("embedding",))
