"""The product classifier: an encoder and an n-gram bag, each with one linear map whose columns are the heads."""

from __future__ import annotations

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
from vitrina.families.layers.text_encoder import TextEncoder
from vitrina.families.product_classifier.configuration import ProductClassifierConfig
from vitrina.training.spec import ExportInputs


@dataclass
class ProductOutput(ModelOutput):
    """Shapes: logits (batch, columns of all heads), embedding (batch, width) L2-normalised."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    embedding: Tensor | None = None


class ProductClassifier(PreTrainedModel):
    """Logits of every head from a text: those of the encoder, plus a share of those of the n-gram bag.

    The bag holds linear classifiers of n-grams that were fitted before (`lexical_fit`); it never learns here. The
    encoder learns alone, and validation rows decide head by head how much the bag says (`mix`): two classifiers that
    err on different rows, where training both together would leave little to learn for the slower one.
    """

    config_class = ProductClassifierConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: ProductClassifierConfig) -> None:
        super().__init__(config)
        self.heads: list[Head] = lay_out(config.heads)
        columns = sum(head.width for head in self.heads)
        self.encoder = TextEncoder(config.encoder)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.encoder.width, columns)
        self.lexical: LexicalBag | None = None
        if config.lexical_width:
            self.lexical = LexicalBag(config.lexical_buckets, config.lexical_width)
            self.lexical_head = nn.Linear(config.lexical_width, columns)
            for part in (self.lexical, self.lexical_head):
                part.requires_grad_(False)
        self.log_variance = nn.Parameter(torch.zeros(len(self.heads)))
        self.register_buffer("log_prior", torch.zeros(columns))
        self.register_buffer("mix", torch.ones(columns))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        ngram_ids: Tensor | None = None,
        labels: Tensor | None = None,
        smoothing: float = 0.0,
        traced: bool = False,
        **_: Any,
    ) -> ProductOutput:
        pooled = self.encoder(input_ids, attention_mask, traced=traced).float()
        logits = self.head(self.dropout(pooled)).float()
        if self.training:
            logits = logits + self.config.logit_adjustment * self.log_prior
        elif self.lexical is not None:
            logits = logits + self.mix * self.lexical_logits(ngram_ids)
        loss = None
        if labels is not None:
            loss = weighted(logits, labels, self.heads, self.log_variance, smoothing)
        return ProductOutput(loss=loss, logits=logits, embedding=F.normalize(pooled, dim=1))

    def lexical_logits(self, ngram_ids: Tensor | None) -> Tensor:
        """What the bag alone says: (batch, n-grams) int64 → (batch, columns)."""
        assert self.lexical is not None
        return self.lexical_head(self.lexical(ngram_ids)).float()


class _Traced(nn.Module):
    """The exported graph: plain tensors in, plain tensors out."""

    def __init__(self, model: ProductClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, ngram_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output = self.model(input_ids, attention_mask, ngram_ids, traced=True)
        return output.logits, output.embedding


def export_inputs(folder: Path) -> ExportInputs:
    """The trained model with a batch of two example texts; see `ModelingModule.export_inputs`."""
    model = ProductClassifier.from_pretrained(folder).eval()
    draw = torch.Generator().manual_seed(0)
    words = model.encoder.model.get_input_embeddings().num_embeddings
    ids = torch.randint(5, words, (2, 12), generator=draw)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    dynamic = {name: {0: "batch", 1: "tokens"} for name in inputs}
    if model.lexical is not None:
        inputs["ngram_ids"] = torch.randint(0, model.config.lexical_buckets, (2, 30), generator=draw)
        dynamic["ngram_ids"] = {0: "batch", 1: "ngrams"}
    return ExportInputs(_Traced(model), inputs, dynamic, ("logits", "embedding"))
