"""The multimodal model: one transformer over every token of a product, one linear map whose columns are the heads."""

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

from vitrina.families.layers.lexical import LexicalBag
from vitrina.families.layers.product_heads.heads import Head, lay_out
from vitrina.families.layers.product_heads.losses import weighted
from vitrina.families.layers.vision import varied
from vitrina.families.multimodal_product.attention import Fusion
from vitrina.families.multimodal_product.configuration import MultimodalProductConfig
from vitrina.families.multimodal_product.tokens import PhotoPatches, ProductTokens
from vitrina.training.spec import ExportInputs

SHARPNESS = 14.0
"""Where the factor of the contrastive cosines starts (Radford et al., 2021)."""

SHARPEST = 100.0


@dataclass
class MultimodalOutput(ModelOutput):
    """Shapes: logits (batch, columns of all heads), embedding (batch, width) L2-normalised."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    embedding: Tensor | None = None


class MultimodalProduct(PreTrainedModel):
    """Logits of every head and an embedding, from whichever modalities are there.

    In training a row with a photo passes three times, by its text alone, by its photo alone and by both: every pass
    learns the heads, so no modality is left to another, and the vectors of the first two meet in one space (InfoNCE).
    The n-gram bag holds linear classifiers that were fitted before and never learn here, as in the product classifier;
    validation rows decide how much it says of rows with a photo and of rows without (`mix`).
    """

    config_class = MultimodalProductConfig
    base_model_prefix = "tokens"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: MultimodalProductConfig) -> None:
        super().__init__(config)
        self.heads: list[Head] = lay_out(config.product_heads)
        columns = sum(head.width for head in self.heads)
        self.tokens = ProductTokens(config)
        self.patches = PhotoPatches(config.channels, config.width)
        self.fusion = Fusion(config.width, config.layers, config.heads, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, columns)
        self.project = nn.Linear(config.width, config.width, bias=False)
        self.lexical: LexicalBag | None = None
        if config.lexical_width:
            self.lexical = LexicalBag(config.lexical_buckets, config.lexical_width)
            self.lexical_head = nn.Linear(config.lexical_width, columns)
            for part in (self.lexical, self.lexical_head):
                part.requires_grad_(False)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.log_variance = nn.Parameter(torch.zeros(len(self.heads) + 1))
        self.register_buffer("mix", torch.ones(2, columns))
        self.post_init()

    @property
    def patch_count(self) -> int:
        """Tokens of a photo."""
        return (self.config.side // 2 ** len(self.config.channels)) ** 2

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        price: Tensor,
        metadata_ids: Tensor,
        pixels: Tensor | None = None,
        seen: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        labels: Tensor | None = None,
        smoothing: float = 0.0,
        **_: Any,
    ) -> MultimodalOutput:
        """`seen` (batch,) is 1 where a row has a photo, `pixels` uint8 (those rows, 3, side, side)."""
        facts = (price, metadata_ids)
        if pixels is None or seen is None:
            photo, seen = self.no_photo(len(input_ids)), torch.zeros_like(price[:, 0])
        else:
            looked = self.look(pixels)
            photo = looked.new_zeros(len(seen), *looked.shape[1:]).index_put((seen.nonzero()[:, 0],), looked)
        if not self.training or labels is None:
            bag = None if labels is not None else ngram_ids  # validation measures what learns
            logits, embedding = self.understand(input_ids, attention_mask, *facts, photo, seen, bag)
            loss = None if labels is None else weighted(logits, labels, self.heads, self.log_variance[:-1], smoothing)
            return MultimodalOutput(loss=loss, logits=logits, embedding=embedding)
        loss, logits = self._learned(input_ids, attention_mask, facts, photo, seen, labels, smoothing)
        return MultimodalOutput(loss=loss, logits=logits)

    def look(self, pixels: Tensor) -> Tensor:
        """Photos as tokens: uint8 (photos, 3, side, side) → (photos, patches, width)."""
        scaled = pixels.float() / 255
        return self.patches(varied(scaled) if self.training else scaled)

    def no_photo(self, rows: int) -> Tensor:
        """The tokens that stand where no row has a photo; they are masked."""
        return self.head.weight.new_zeros(rows, 1, self.config.width)

    def understand(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        price: Tensor,
        metadata_ids: Tensor,
        photo: Tensor,
        seen: Tensor,
        ngram_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits, with the bag's share of them, and embedding from photo tokens; `seen` (batch,) 1 or 0."""
        pooled = self._pooled(input_ids, attention_mask, (price, metadata_ids), photo, seen)
        logits = self.head(self.dropout(pooled)).float()
        if ngram_ids is not None and self.lexical is not None and not self.training:
            share = self.mix[0] + seen.float()[:, None] * (self.mix[1] - self.mix[0])
            logits = logits + share * self.lexical_logits(ngram_ids)
        return logits, F.normalize(self.project(pooled).float(), dim=1)

    def lexical_logits(self, ngram_ids: Tensor) -> Tensor:
        """What the bag alone says: (batch, n-grams) int64 → (batch, columns); nothing of a row without n-grams."""
        assert self.lexical is not None
        known = (ngram_ids > 0).any(1, keepdim=True).float()
        return self.lexical_head(self.lexical(ngram_ids)).float() * known

    def _pooled(
        self, input_ids: Tensor, attention_mask: Tensor, facts: tuple[Tensor, Tensor], photo: Tensor, seen: Tensor
    ) -> Tensor:
        tokens, mask, positions = self.tokens(input_ids, attention_mask, *facts, photo, seen)
        return self.fusion(tokens, mask, positions)[:, 0].float()

    def _learned(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        facts: tuple[Tensor, Tensor],
        photo: Tensor,
        seen: Tensor,
        labels: Tensor,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        """The loss of the passes that a batch allows, and the logits of the fullest one."""
        nothing, blind = self.no_photo(len(input_ids)), torch.zeros_like(seen)
        rows = seen > 0
        passes: dict[str, Tensor] = {}
        if "text" in self.config.modalities:
            passes["text"] = self._pooled(input_ids, attention_mask, facts, nothing, blind)
        if rows.any() and "photo" in self.config.modalities:
            alone = input_ids[rows][:, :1], torch.zeros_like(attention_mask[rows][:, :1])
            some = (facts[0][rows], facts[1][rows])
            # Without facts: equal metadata on both sides would tell the contrastive space which photo is whose.
            none = (torch.zeros_like(some[0]), torch.zeros_like(some[1]))
            passes["photo"] = self._pooled(*alone, none, photo[rows], seen[rows])
            if "text" in passes:
                passes["both"] = self._pooled(input_ids[rows], attention_mask[rows], some, photo[rows], seen[rows])
        total = 0.0 * (photo.sum() + self.log_variance.sum() + self.log_sharpness)
        logits = self.head(self.dropout(total + nothing[:, 0]))
        for name, pooled in passes.items():
            logits = self.head(self.dropout(pooled)).float()
            known = labels if name == "text" else labels[rows]
            total = total + weighted(logits, known, self.heads, self.log_variance[:-1], smoothing)
        if "both" in passes:
            s = self.log_variance[-1]
            told = self.contrast(passes["text"][rows], passes["photo"], input_ids[rows])
            total = total + torch.exp(-s) * told + 0.5 * s
        return total, logits

    def contrast(self, text: Tensor, photo: Tensor, input_ids: Tensor) -> Tensor:
        """InfoNCE both ways (van den Oord et al., 2018); rows of equal text are no negatives of each other."""
        left, right = (F.normalize(self.project(side).float(), dim=1) for side in (text, photo))
        scores = left @ right.T * self.log_sharpness.exp().clamp(max=SHARPEST)
        same = (input_ids[:, None] == input_ids[None]).all(-1).fill_diagonal_(False)
        scores = scores.masked_fill(same, torch.finfo(scores.dtype).min)
        pairs = torch.arange(len(left), device=left.device)
        return 0.5 * (F.cross_entropy(scores, pairs) + F.cross_entropy(scores.T, pairs))


class _Understanding(nn.Module):
    """The exported graph of everything but the photo's convolutions."""

    def __init__(self, model: MultimodalProduct) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        price: Tensor,
        metadata_ids: Tensor,
        photo: Tensor,
        seen: Tensor,
        ngram_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        return self.model.understand(input_ids, attention_mask, price, metadata_ids, photo, seen, ngram_ids)


class _Looking(nn.Module):
    """The exported graph of the photo's convolutions."""

    def __init__(self, model: MultimodalProduct) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model.look(pixels)


def export_inputs(folder: Path) -> ExportInputs:
    """Two graphs: `model` from photo tokens, `photo` from pixels to them; see `ModelingModule.export_inputs`."""
    model = MultimodalProduct.from_pretrained(folder).eval()
    draw = torch.Generator().manual_seed(0)
    config = model.config
    ids = torch.randint(1, config.words, (2, 9), generator=draw)
    pixels = torch.randint(0, 256, (2, 3, config.side, config.side), generator=draw, dtype=torch.uint8)
    with torch.inference_mode():
        photo = model.look(pixels).clone()
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "price": torch.tensor([[0.5, 1.0], [0.0, 0.0]]),
        "metadata_ids": torch.tensor([[1, 2, 3], [4, 0, 0]]),
        "photo": photo,
        "seen": torch.tensor([1.0, 0.0]),
    }
    axes = {"input_ids": "tokens", "attention_mask": "tokens", "metadata_ids": "facts", "photo": "patches"}
    if model.lexical is not None:
        inputs["ngram_ids"] = torch.randint(0, config.lexical_buckets, (2, 30), generator=draw)
        axes["ngram_ids"] = "ngrams"
    dynamic = {name: {0: "batch"} | ({1: axes[name]} if name in axes else {}) for name in inputs}
    looking = ExportInputs(_Looking(model), {"pixels": pixels}, {"pixels": {0: "photos"}}, ("photo",))
    return ExportInputs(_Understanding(model), inputs, dynamic, ("logits", "embedding"), {"photo": looking})
