"""From a product's parts to tokens of one width: words, photo patches, price, metadata."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrina.families.layers.vision import Residual, convolution
from vitrina.families.multimodal_product.configuration import MultimodalProductConfig

SUMMARY, PRICE, METADATA, PHOTO, TEXT = range(5)
"""Kinds of tokens; each has an embedding that is added to all of its kind."""


class PhotoPatches(nn.Module):
    """Convolutions that halve the side, a residual block after each but the first; what is left are the patches.

    Input (photos, 3, side, side) float 0–1; output (photos, (side / 2^stages)², width).
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for number, (inner, outer) in enumerate(zip([3, *channels[:-1]], channels, strict=True)):
            stages += [*convolution(inner, outer, stride=2), nn.ReLU(inplace=True)]
            stages += [Residual(outer)] if number else []
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(channels[-1], width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.project(self.stages(pixels * 4 - 2).flatten(2).transpose(1, 2))


class ProductTokens(nn.Module):
    """All tokens of a batch of products, which of them are there, and their positions.

    Words and patches are numbered from 1 in their own order; summary, price and metadata stand at 0.
    """

    def __init__(self, config: MultimodalProductConfig) -> None:
        super().__init__()
        width = config.width
        self.words = nn.Embedding(config.words, config.word_width)
        self.word = nn.Linear(config.word_width, width, bias=False)
        self.price = nn.Linear(1, width)
        self.metadata = nn.Embedding(config.metadata_buckets + 1, width, padding_idx=0)
        self.kinds = nn.Embedding(5, width)
        self.hidden_word = nn.Parameter(torch.zeros(config.word_width))
        self.word_dropout = config.word_dropout

    def forward(
        self, input_ids: Tensor, words_mask: Tensor, price: Tensor, metadata_ids: Tensor, photo: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (batch, tokens, width), mask bool (batch, tokens), positions int64 (tokens,).

        Args:
            input_ids, words_mask: int64 (batch, words).
            price: (batch, 2): standardised log price and whether it is known.
            metadata_ids: int64 (batch, metadata), 0 is none.
            photo: (batch, patches, width); `seen` (batch,): 1 where there is a photo.
        """
        parts = {
            SUMMARY: torch.zeros_like(self.metadata.weight[:1]).expand(len(input_ids), 1, -1),
            PRICE: self.price(price[:, None, :1]),
            METADATA: self.metadata(metadata_ids),
            PHOTO: photo,
            TEXT: self.word(self._worded(input_ids, seen)),
        }
        known = {
            SUMMARY: torch.ones_like(price[:, :1]) > 0,
            PRICE: price[:, 1:] > 0,
            METADATA: metadata_ids > 0,
            PHOTO: seen[:, None].expand(-1, photo.shape[1]) > 0,
            TEXT: words_mask > 0,
        }
        tokens = torch.cat([part + self.kinds.weight[kind] for kind, part in parts.items()], 1)
        resting = torch.zeros(2 + metadata_ids.shape[1], dtype=torch.int64, device=tokens.device)
        counted = [1 + torch.arange(n, device=tokens.device) for n in (photo.shape[1], input_ids.shape[1])]
        return tokens, torch.cat(list(known.values()), 1), torch.cat([resting, *counted])

    def _worded(self, input_ids: Tensor, seen: Tensor) -> Tensor:
        """Word embeddings; in training some words of rows with a photo are hidden, so that the photo has to speak."""
        vectors = self.words(input_ids)
        if not (self.training and self.word_dropout):
            return vectors
        hidden = (torch.rand(input_ids.shape, device=vectors.device) < self.word_dropout) & (seen[:, None] > 0)
        return torch.where(hidden[..., None], self.hidden_word.to(vectors.dtype), vectors)
