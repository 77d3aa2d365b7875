"""The torch side of `vitrina.text.ngrams`: a bag of hashed n-grams as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrina.text.ngrams import PADDING


class LexicalBag(nn.Module):
    r"""$e = \frac{1}{\sqrt{n}} \sum_i E[b_i]$ over the n-grams of a text (fastText, Bojanowski et al., 2017).

    Input (batch, ngrams) int64, 0 is padding; output (batch, width). A text without n-grams gives zeros.
    """

    def __init__(self, buckets: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(buckets + 1, width, padding_idx=PADDING)

    def forward(self, ngram_ids: Tensor) -> Tensor:
        total = self.embedding(ngram_ids).sum(1)
        count = (ngram_ids != PADDING).sum(1, keepdim=True).to(total.dtype)
        return total / count.clamp(min=1).sqrt()

    def scale(self, deviation: float) -> None:
        """Draw the weights anew with this standard deviation; padding stays zero."""
        with torch.no_grad():
            self.embedding.weight.normal_(0, deviation)
            self.embedding.weight[PADDING] = 0
