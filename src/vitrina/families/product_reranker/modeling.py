"""The re-ranker: a cross-encoder over two products beside a small network over their similarities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.layers.text_encoder import additive_mask
from vitrina.families.product_reranker.configuration import ProductRerankerConfig
from vitrina.training.spec import ExportInputs


@dataclass
class RerankerOutput(ModelOutput):
    """Shapes: logits (batch,), embedding (batch, width)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    embedding: Tensor | None = None


class Pieces(nn.Module):
    r"""Piecewise linear encoding (Gorishniy et al., 2022): $p_k(x) = clamp((x - e_k) / (e_{k+1} - e_k), 0, 1)$.

    Edges are quantiles of the training values, so a small network can do what a tree does. A negative value is
    unknown: its pieces are 0. Input (batch, values), output (batch, values · (bins + 1)): the last one says "known".
    """

    edges: Tensor

    def __init__(self, values: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(0, 1, bins + 1).repeat(values, 1))

    @property
    def width(self) -> int:
        return self.edges.shape[0] * self.edges.shape[1]

    def fit(self, table: np.ndarray) -> None:
        """Take the edges from the known values of a training table (rows, values)."""
        shares = np.linspace(0, 1, self.edges.shape[1])
        for edges, column in zip(self.edges, table.T, strict=True):
            known = column[column >= 0]
            if len(known):
                edges.copy_(torch.from_numpy(np.quantile(known, shares)))

    def forward(self, values: Tensor) -> Tensor:
        known = (values >= 0).to(values.dtype).unsqueeze(-1)
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        pieces = ((values.unsqueeze(-1) - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        return torch.cat([pieces * known, known], dim=-1).flatten(1)


class ProductReranker(PreTrainedModel):
    """Logit of "the same product" for a pair.

    Of the cross-encoded tokens the mean of each side, u and v, is taken (segments 0 and 1): |u − v| and u·v say from
    the first step on how alike they are (Reimers and Gurevych, 2019), and attention lets each side read the other.
    u + v, which product it is, stays out: from it a few thousand pairs are learned by heart.
    """

    config_class = ProductRerankerConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: ProductRerankerConfig) -> None:
        super().__init__(config)
        nested = dict(config.encoder)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(nested.pop("model_type"), **nested))
        width = self.encoder.config.hidden_size
        self.pieces = Pieces(config.similarities, config.bins)
        self.similarity = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(self.pieces.width, config.similarity_width),
            nn.ReLU(),
            nn.Dropout(2 * config.dropout),
        )
        self.text = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, config.text_width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(config.text_width + config.similarity_width, 1)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        similarities: Tensor,
        labels: Tensor | None = None,
        encoder_mask: Tensor | None = None,
        **_: Any,
    ) -> RerankerOutput:
        hidden = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask if encoder_mask is None else encoder_mask,
            token_type_ids=token_type_ids,
        ).last_hidden_state
        right = attention_mask * token_type_ids
        u, v = _mean(hidden, attention_mask - right), _mean(hidden, right)
        text = self.text(torch.cat([(u - v).abs(), u * v], dim=1))
        alike = self.similarity(self.pieces(similarities))
        logits = self.head(torch.cat([text, alike], dim=1)).squeeze(1).float()
        loss = None if labels is None else self.loss(logits, labels)
        return RerankerOutput(loss=loss, logits=logits, embedding=F.normalize((u + v).float(), dim=1))

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Binary cross-entropy; `smoothing` moves labels towards one half."""
        targets = labels.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, targets)


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of the tokens that `mask` (batch, tokens) has; (batch, tokens, width) → (batch, width)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


class _Traced(nn.Module):
    """The exported graph: two plain tensors."""

    def __init__(self, model: ProductReranker) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, similarities: Tensor
    ) -> tuple[Tensor, Tensor]:
        ready = additive_mask(attention_mask) if self.model.encoder.config.model_type == "bert" else None
        output = self.model(input_ids, attention_mask, token_type_ids, similarities, encoder_mask=ready)
        return output.logits, output.embedding


def export_inputs(folder: Path) -> ExportInputs:
    """The trained model with a batch of two example pairs; see `ModelingModule.export_inputs`."""
    model = ProductReranker.from_pretrained(folder).eval()
    words = model.encoder.get_input_embeddings().num_embeddings
    ids = torch.randint(5, words, (2, 12), generator=torch.Generator().manual_seed(0))
    types = torch.tensor([[0] * 6 + [1] * 6] * 2)
    dynamic = {0: "batch", 1: "tokens"}
    return ExportInputs(
        model=_Traced(model),
        inputs={
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "token_type_ids": types,
            "similarities": torch.full((2, model.config.similarities), 0.5),
        },
        dynamic=dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), dynamic)
        | {"similarities": {0: "batch"}},
        outputs=("logits", "embedding"),
    )
