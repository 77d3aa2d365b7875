"""The product embedder: text, n-grams, price and category path fused into one unit vector."""

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
from vitrina.families.layers.text_encoder import TextEncoder
from vitrina.families.product_embedder.configuration import ProductEmbedderConfig
from vitrina.families.product_embedder.features import LEVELS
from vitrina.text.ngrams import PADDING
from vitrina.training.spec import ExportInputs

PRICE_BINS = 13
LARGEST_SCALE = 100.0
LENGTH_GROUPS = 6
START = {"text": 1.0, "lexical": 1.0, "price": 0.1, "category": 0.3}
"""Weights of the four parts before training."""


@dataclass
class EmbedderOutput(ModelOutput):
    """Shapes: query_embedding and embedding (pairs, dimension), L2-normalised."""

    loss: Tensor | None = None
    query_embedding: Tensor | None = None
    embedding: Tensor | None = None


class PriceVector(nn.Module):
    r"""A standardised log price as soft bins, $\exp(-(z - c_k)^2)$ with centres from −3 to 3, or "unknown".

    Input (batch, 2): z and whether it is known (1 or 0); output (batch, width).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(-3, 3, PRICE_BINS), persistent=False)
        self.known = nn.Linear(PRICE_BINS, width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, price: Tensor) -> Tensor:
        z, is_known = price[:, :1], price[:, 1:]
        bins = torch.exp(-((z.clamp(-4, 4) - self.centres) ** 2))
        return is_known * self.known(bins) + (1 - is_known) * self.unknown


class CategoryVector(nn.Module):
    r"""The mean over the levels of a path of a hashed prefix's vector, or "unknown".

    Input (batch, levels) int64, 0 is padding; output (batch, width).
    """

    def __init__(self, buckets: int, width: int) -> None:
        super().__init__()
        self.prefixes = LexicalBag(buckets, width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, category_ids: Tensor) -> Tensor:
        is_known = (category_ids != PADDING).any(1, keepdim=True).to(self.unknown.dtype)
        return is_known * self.prefixes(category_ids) + (1 - is_known) * self.unknown


class ProductEmbedder(PreTrainedModel):
    """Queries and products share one encoder; a query is a product that has only a title.

    Trained to find a product by its query among the products of a batch (InfoNCE, van den Oord et al., 2018) at every
    of `config.dimensions` (Matryoshka representation learning, Kusupati et al., 2022).
    """

    config_class = ProductEmbedderConfig
    base_model_prefix = "embedder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True

    def __init__(self, config: ProductEmbedderConfig) -> None:
        super().__init__(config)
        self.encoder = TextEncoder(config.encoder)
        self.lexical = LexicalBag(config.lexical_buckets, config.lexical_width)
        self.price = PriceVector(config.side_width)
        self.category = CategoryVector(config.category_buckets, config.side_width)
        self.gains = nn.Parameter(torch.tensor(list(START.values())))
        width = config.dimensions[0]
        self.fuse = nn.Linear(self.encoder.width + config.lexical_width + 2 * config.side_width, width, bias=False)
        self.mix = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width, bias=False))
        self.dropout = nn.Dropout(config.dropout)
        self.scale = nn.Parameter(torch.tensor(20.0).log())
        self.post_init()

    def start(self, frequencies: Tensor | None = None) -> None:
        """Weights to train from: the fused vector keeps the angles of its parts, rare n-grams weigh more.

        Args:
            frequencies: share of the training texts that hold each bucket, (buckets,); None: all alike.
        """
        with torch.no_grad():
            nn.init.orthogonal_(self.fuse.weight)
            self.mix[2].weight.zero_()
            self.lexical.scale(1.0)
            self.category.prefixes.scale(0.1)
            nn.init.normal_(self.price.unknown, std=0.1)
            nn.init.normal_(self.category.unknown, std=0.1)
            if frequencies is not None:
                self.lexical.embedding.weight[1:] *= -torch.log(frequencies.clamp(min=1e-6)).unsqueeze(1) / 10

    def embed(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        ngram_ids: Tensor,
        price: Tensor,
        category_ids: Tensor,
        *,
        traced: bool = False,
    ) -> Tensor:
        """(batch, dimension) float32, L2-normalised. `traced`: written for the ONNX export."""
        if traced:
            text = self.encoder(input_ids, attention_mask, traced=True)
        else:
            text = self._encode_by_length(input_ids, attention_mask)
        parts = (text, self.lexical(ngram_ids), self.price(price), self.category(category_ids))
        # Price and category keep their length, which says how much they know.
        scaled = [F.normalize(part.float(), dim=1) if i < 2 else part.float() for i, part in enumerate(parts)]
        joined = torch.cat([gain * part for gain, part in zip(self.gains, scaled, strict=True)], dim=1)
        fused = self.fuse(self.dropout(joined))
        return F.normalize((fused + self.mix(fused)).float(), dim=1)

    def _encode_by_length(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The encoder on groups of similar length: queries are short, and two thirds of a batch would be padding."""
        lengths = attention_mask.sum(1)
        groups = lengths.argsort().chunk(LENGTH_GROUPS)
        widths = [int(lengths[rows].max()) for rows in groups]
        vectors = [
            self.encoder(input_ids[rows, :width], attention_mask[rows, :width])
            for rows, width in zip(groups, widths, strict=True)
        ]
        return torch.cat(vectors)[torch.cat(groups).argsort()]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        ngram_ids: Tensor,
        price: Tensor,
        category_ids: Tensor,
        labels: Tensor | None = None,
        **_: Any,
    ) -> EmbedderOutput:
        """The first half of the rows are queries, the second half the products they look for, in the same order.

        Args:
            labels: (queries, products): 1 where the product answers the query, −1 where not, 0 where that is unknown.
        """
        queries, products = self.embed(input_ids, attention_mask, ngram_ids, price, category_ids).chunk(2)
        loss = None
        if labels is not None:
            losses = [self.contrast(cut(queries, size), cut(products, size), labels) for size in self.config.dimensions]
            loss = torch.stack(losses).mean()
        return EmbedderOutput(loss=loss, query_embedding=queries, embedding=products)

    def contrast(self, queries: Tensor, products: Tensor, labels: Tensor) -> Tensor:
        r"""Mean over queries of $-\log \frac{e^{s_p}}{e^{s_p} + \sum_n e^{s_n}}$, over their positives p, both ways."""
        scores = self.scale.exp().clamp(max=LARGEST_SCALE) * queries @ products.T
        return (_info_nce(scores, labels) + _info_nce(scores.T, labels.T)) / 2


def cut(embedding: Tensor, size: int) -> Tensor:
    """The first `size` numbers of each vector, L2-normalised again."""
    return F.normalize(embedding[:, :size], dim=1)


def _info_nce(scores: Tensor, labels: Tensor) -> Tensor:
    positives = labels > 0
    against = scores.masked_fill(labels >= 0, torch.finfo(scores.dtype).min).logsumexp(1, keepdim=True)
    each = F.softplus(against - scores) * positives
    return (each.sum(1) / positives.sum(1).clamp(min=1)).mean()


class _Traced(nn.Module):
    """The exported graph: one plain tensor."""

    def __init__(self, model: ProductEmbedder) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, ngram_ids: Tensor, price: Tensor, category_ids: Tensor
    ) -> tuple[Tensor]:
        return (self.model.embed(input_ids, attention_mask, ngram_ids, price, category_ids, traced=True),)


def export_inputs(folder: Path) -> ExportInputs:
    """The trained model with a batch of two example products; see `ModelingModule.export_inputs`."""
    model = ProductEmbedder.from_pretrained(folder).eval()
    generator = torch.Generator().manual_seed(0)
    words = model.encoder.model.get_input_embeddings().num_embeddings
    ids = torch.randint(5, words, (2, 12), generator=generator)
    ngrams = torch.randint(1, model.config.lexical_buckets, (2, 40), generator=generator)
    tokens = {0: "batch", 1: "tokens"}
    return ExportInputs(
        model=_Traced(model),
        inputs={
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "ngram_ids": ngrams,
            "price": torch.tensor([[0.5, 1.0], [0.0, 0.0]]),
            "category_ids": torch.tensor([[5, 6, 7] + [PADDING] * (LEVELS - 3), [PADDING] * LEVELS]),
        },
        dynamic={
            "input_ids": tokens,
            "attention_mask": tokens,
            "ngram_ids": {0: "batch", 1: "ngrams"},
            "price": {0: "batch"},
            "category_ids": {0: "batch"},
        },
        outputs=("embedding",),
    )
