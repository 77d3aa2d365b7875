"""A user as attention over the final vectors of their history's products: new events count without retraining."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrina.families.graph_recommender.reading import FEATURES, INTENTS

FIRST_RARITY, FIRST_PRIOR, FIRST_SCALE = 0.2, 0.8, 16.0


class Taste(nn.Module):
    r"""$u = c + \sum_h w_h \odot \sum_j a^h_j z_j$, $a^h_j \propto \exp(q_h z_j + f_h \phi_j - \delta_h \log d_j)$.

    $z_j$ are unit vectors, $\phi_j$ the event's features (`reading.py`), $d_j$ how many neighbours the product has
    in the graph; queries $q$, feature weights $f$ and the constant $c$ are those of the intent. The score of product i
    is $e^s \hat u z_i + b_i + \beta \log d_i$.
    """

    def __init__(self, width: int, heads: int, products: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(len(INTENTS), heads, width))
        self.features = nn.Parameter(torch.zeros(len(INTENTS), heads, len(FEATURES)))
        self.rarity = nn.Parameter(torch.full((heads,), FIRST_RARITY))
        self.values = nn.Parameter(torch.full((heads, width), 1.0 / heads))
        self.constant = nn.Parameter(torch.zeros(len(INTENTS), width))
        self.prior = nn.Parameter(torch.tensor(FIRST_PRIOR))
        self.bias = nn.Parameter(torch.zeros(products))
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def start(self) -> None:
        """Heads that differ a little: from all of the history alike to the last products first."""
        with torch.no_grad():
            heads = self.query.shape[1]
            nn.init.normal_(self.query, std=0.1)
            self.features[:, :, 2] = -torch.linspace(0.0, 1.0, heads)
            self.features[:, :, 0] = 0.25

    def attend(self, vectors: Tensor, features: Tensor, present: Tensor, rarity: Tensor, intents: Tensor) -> Tensor:
        """Users (rows, width) of unit length from unit vectors (rows, n, width), features (rows, n, 3), log degrees.

        `present` (rows, n) bool says what is no padding, `intents` (rows,) which intent; no history: the constant.
        """
        logits = torch.einsum("bnd,bhd->bhn", vectors, self.query[intents])
        logits = logits + torch.einsum("bnf,bhf->bhn", features, self.features[intents])
        logits = logits - self.rarity[None, :, None] * rarity[:, None]
        weights = logits.masked_fill(~present[:, None], torch.finfo(logits.dtype).min).softmax(-1)
        weights = weights * present[:, None]
        read = torch.einsum("bhn,bnd->bhd", weights, vectors)
        return F.normalize((read * self.values).sum(1) + self.constant[intents], dim=-1)

    def scores(self, users: Tensor, vectors: Tensor, degrees: Tensor, bias: Tensor) -> Tensor:
        """(rows, products) from unit vectors of users and products, log degrees and biases (products,)."""
        return self.scale.exp() * users @ vectors.T + bias + self.prior * degrees
