"""The network: vectors of users and products (matrix factorization), and a second look at the best candidates.

    product  v_i = unit(E[i] + W c_i), c_i what the product is; a bias b_i
    user     u = unit(U[own] + attention over the v of the history and one vector for "nothing known")
    first    s_i = exp(t) u·v_i + b_i
    again    r_i = MLP(u, v_i, u*v_i, s_i and the scores of the closed-form members)

Shapes: B rows, L events of a history (newest first), D width, C candidates, N drawn negatives, P products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.hybrid_recommender.configuration import HybridRecommenderConfig
from vitrina.families.hybrid_recommender.ensemble import Network
from vitrina.training.spec import ExportInputs

NONE = 0
"""User and product numbers are one more than places: 0 is nobody, and padding."""

DEPTH = 10
INPUTS = ("history", "weights", "own", "candidates", "features")
OUTPUTS = ("scores", "user")


@dataclass
class HybridOutput(ModelOutput):
    """`ndcg` (B,) is nDCG@10 of the full ranking by the first score, given in evaluation."""

    loss: Tensor | None = None
    ndcg: Tensor | None = None


class UserTower(nn.Module):
    """A history and what is known of the user by name → (B, D), length 1.

    Attention with one query (Bahdanau et al., 2015), its keys told how long ago (in events) and how much an event says.
    """

    def __init__(self, config: HybridRecommenderConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.width, config.width)
        self.query = nn.Linear(config.width, 1, bias=False)
        self.recency = nn.Parameter(-0.1 * torch.arange(config.history, dtype=torch.float32))
        self.strength = nn.Parameter(torch.tensor(0.1))
        self.nothing = nn.Parameter(torch.randn(config.width) / math.sqrt(config.width))
        self.unknown = nn.Parameter(torch.zeros(1))
        self.join = nn.Linear(config.width, config.width)
        nn.init.zeros_(self.join.weight)

    def forward(self, history_BLD: Tensor, weights_BL: Tensor, own_BD: Tensor) -> Tensor:
        """`weights_BL`: how much each event says; 0: there is none."""
        keys = self.query(torch.tanh(self.key(history_BLD))).squeeze(-1)
        logits_BL = keys + self.recency + self.strength * weights_BL
        logits_BL = logits_BL.masked_fill(weights_BL == 0, -1e4)
        nothing_B1 = self.unknown.expand(logits_BL.shape[0], 1)
        attention = torch.softmax(torch.cat([logits_BL, nothing_B1], 1), 1)
        pooled = (attention[:, :-1, None] * history_BLD).sum(1) + attention[:, -1:] * self.nothing
        return F.normalize(pooled + self.join(pooled) + own_BD, dim=-1)


class SecondLook(nn.Module):
    """(B, D) user, (B, C, D) products, (B, C, features) scores → (B, C)."""

    def __init__(self, config: HybridRecommenderConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * config.width + config.features, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden // 2),
            nn.GELU(),
            nn.Linear(config.hidden // 2, 1),
        )

    def forward(self, user_BD: Tensor, candidates_BCD: Tensor, features_BCF: Tensor) -> Tensor:
        users_BCD = user_BD[:, None].expand_as(candidates_BCD)
        joined = torch.cat([users_BCD, candidates_BCD, users_BCD * candidates_BCD, features_BCF], -1)
        return self.layers(joined).squeeze(-1)


class HybridRecommender(PreTrainedModel):
    """See the module's docstring; without products in its configuration it is an empty shell."""

    config_class = HybridRecommenderConfig
    main_input_name = "history"

    def __init__(self, config: HybridRecommenderConfig) -> None:
        super().__init__(config)
        if config.products:
            self.product_embedding = nn.Embedding(config.products + 1, config.width, padding_idx=NONE)
            self.user_embedding = nn.Embedding(config.users + 1, config.width, padding_idx=NONE)
            self.bias = nn.Embedding(config.products + 1, 1, padding_idx=NONE)
            self.content = nn.Linear(config.content_width, config.width, bias=False)
            self.log_scale = nn.Parameter(torch.tensor(-math.log(config.start_temperature)))
            self.offset = nn.Parameter(torch.zeros(()))
            self.tower = UserTower(config)
            self.second = SecondLook(config)
            self.register_buffer("content_vectors", torch.zeros(config.products + 1, config.content_width))
            self.register_buffer("frequency", torch.zeros(config.products + 1))
        else:
            self.nothing = nn.Parameter(torch.zeros(1))  # a model without any parameter cannot be saved
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """The layers start as they made themselves."""

    def start(self, content: Tensor, counts: Tensor) -> None:
        """Take what the products are, (P, content width), and how often each was a target, (P,)."""
        spread = 1 / math.sqrt(self.config.width)
        with torch.no_grad():
            self.content_vectors[1:] = content
            self.frequency[1:] = counts / counts.sum().clamp(min=1)
            self.product_embedding.weight.normal_(0, 0.1 * spread)[NONE] = 0
            self.user_embedding.weight.normal_(0, 0.01 * spread)[NONE] = 0
            self.bias.weight.zero_()
            self.content.weight.normal_(0, spread)

    def product_vectors(self, numbers: Tensor, *, cold: Tensor | None = None) -> Tensor:
        """(..., D), length 1; of `cold` ones only what they are counts."""
        own = self.product_embedding(numbers)
        if cold is not None:
            own = own * (~cold).unsqueeze(-1)
        return F.normalize(own + self.content(self.content_vectors[numbers]), dim=-1)

    def _shown(self, numbers: Tensor) -> Tensor:
        """Product vectors while training: some by content alone."""
        cold = torch.rand(numbers.shape, device=numbers.device) < self.config.id_dropout if self.training else None
        return self.product_vectors(numbers, cold=cold)

    def users(self, history: Tensor, weights: Tensor, user: Tensor) -> Tensor:
        """(B, D) from product numbers (B, L), newest first, event weights (B, L) and user numbers (B,)."""
        own = self.user_embedding(user)
        if self.training:
            kept = torch.rand(weights.shape, device=weights.device) >= self.config.dropout
            weights = weights * kept
            own = own * (torch.rand(len(user), 1, device=own.device) >= self.config.id_dropout)
        return self.tower(self._shown(history), weights, own)

    def forward(
        self,
        history: Tensor,
        weights: Tensor,
        user: Tensor,
        labels: Tensor,
        seen: Tensor | None = None,
        stars: Tensor | None = None,
        candidates: Tensor | None = None,
        features: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> HybridOutput:
        """Training: `labels` (B,) product numbers; evaluation: (B, T), padded, and `seen` (B, S), what is not ranked.

        `candidates` (R, C) with `features` (R, C, features) belong to the batch rows `rows` (R,); the first candidate
        of each is the right one. `stars` (B,): of explicit ratings, standardised.
        """
        user_BD = self.users(history, weights, user)
        if seen is not None:
            return self._ranked(user_BD, labels, seen)
        if self.config.loss == "squared":
            loss = F.mse_loss(self._score(user_BD, labels[:, None]).squeeze(1) + self.offset, cast(Tensor, stars))
        else:
            loss = self._told_apart(user_BD, history, labels)
        if candidates is not None and rows is not None and len(rows):
            loss = loss + self._second_loss(user_BD.detach()[rows], candidates, cast(Tensor, features))
        return HybridOutput(loss=loss)

    def _score(self, user_BD: Tensor, products: Tensor) -> Tensor:
        """(B, C) first scores of the products (B, C)."""
        dots = torch.einsum("bd,bcd->bc", user_BD, self._shown(products))
        return self.log_scale.exp() * dots + self.bias(products).squeeze(-1)

    def _told_apart(self, user_BD: Tensor, history: Tensor, target: Tensor) -> Tensor:
        """Sampled softmax with log-Q correction (Yi et al., 2019), or BPR (Rendle et al., 2009).

        Negatives are the targets of the other rows and products drawn uniformly, for softmax corrected by how often
        each is expected among them; a row's own history is none of its negatives.
        """
        drawn = self._drawn(target.device)
        if self.config.loss == "bpr":
            negatives = drawn[torch.randint(len(drawn), (len(target), 4), device=target.device)]
            difference = self._score(user_BD, target[:, None]) - self._score(user_BD, negatives)
            return -F.logsigmoid(difference).mean()
        others = torch.cat([target, drawn])
        logits = self.log_scale.exp() * user_BD @ self._shown(others).T + self.bias(others).squeeze(-1)
        known = max(int((self.frequency > 0).sum()), 1)
        expected = len(target) * self.frequency[others] + len(drawn) / known
        logits = logits - expected.clamp(min=1e-9).log()
        own = torch.arange(len(target), device=target.device)
        wrong = (others[None] == target[:, None]) | (others[None, :, None] == history[:, None]).any(-1)
        wrong[own, own] = False
        return F.cross_entropy(logits.masked_fill(wrong, -1e4), own)

    def _drawn(self, device: torch.device) -> Tensor:
        """(N,) products that were a target at least once: those that never were must not learn to be wrong."""
        known = torch.nonzero(self.frequency > 0).squeeze(-1)
        return known[torch.randint(len(known), (self.config.negatives,), device=device)]

    def _second_loss(self, user_BD: Tensor, candidates: Tensor, features: Tensor) -> Tensor:
        vectors = self.product_vectors(candidates).detach()
        first = torch.einsum("bd,bcd->bc", user_BD, vectors)
        scores = self.second(user_BD, vectors, torch.cat([first.unsqueeze(-1), features], -1))
        return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))

    def all_products(self) -> tuple[Tensor, Tensor]:
        """(P, D) vectors and (P,) biases; products never seen as a target have only what they are, and a low bias."""
        numbers = torch.arange(1, self.config.products + 1, device=self.frequency.device)
        cold = self.frequency[1:] == 0
        biases = self.bias.weight[1:, 0].clone()
        if cold.any() and not cold.all():
            biases[cold] = torch.quantile(biases[~cold], 0.25)
        return self.product_vectors(numbers, cold=cold), biases

    def _ranked(self, user_BD: Tensor, target: Tensor, seen: Tensor) -> HybridOutput:
        vectors, biases = self.all_products()
        scores = F.pad(self.log_scale.exp() * user_BD @ vectors.T + biases, (1, 0), value=-torch.inf)
        scores = scores.scatter(1, seen, -torch.inf)
        best = scores.topk(min(DEPTH, scores.shape[1]), dim=1).indices
        hits = (best[:, :, None] == target[:, None]).any(-1).float()
        gains = 1 / torch.log2(torch.arange(2, best.shape[1] + 2, device=scores.device, dtype=torch.float32))
        ideal = gains.cumsum(0)[((target != NONE).sum(1) - 1).clamp(0, best.shape[1] - 1)]
        ndcg = (hits * gains).sum(1) / ideal
        return HybridOutput(loss=1 - ndcg.mean(), ndcg=ndcg)


class _Served(nn.Module):
    """What serving runs: the user's vector, and the second look at given candidates."""

    def __init__(self, model: HybridRecommender) -> None:
        super().__init__()
        self.tower, self.second = model.tower, model.second

    def forward(
        self, history: Tensor, weights: Tensor, own: Tensor, candidates: Tensor, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        user = self.tower(history, weights, own)
        first = torch.einsum("bd,bcd->bc", user, candidates)
        return self.second(user, candidates, torch.cat([first.unsqueeze(-1), features], -1)), user


def served(model: HybridRecommender) -> Network:
    """The network as serving calls it, before it is exported."""
    graph = _Served(model).eval()

    def call(outputs: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            given = [torch.from_numpy(feed[name]).to(model.device) for name in INPUTS]
            found = dict(zip(OUTPUTS, graph(*given), strict=True))
        return [found[name].cpu().numpy() for name in outputs]

    return call


def export_inputs(folder: Path) -> ExportInputs | None:
    """The tower and the second look; None for a model without a network."""
    config = HybridRecommenderConfig.from_pretrained(folder)
    if not config.products:
        return None
    model = cast(Any, HybridRecommender).from_pretrained(folder).eval()
    rng = torch.Generator().manual_seed(0)
    history = F.normalize(torch.randn(2, config.history, config.width, generator=rng), dim=-1)
    weights = torch.ones(2, config.history)
    weights[1, 3:] = 0
    candidates = F.normalize(torch.randn(2, 5, config.width, generator=rng), dim=-1)
    inputs = {
        "history": history,
        "weights": weights,
        "own": torch.zeros(2, config.width),
        "candidates": candidates,
        "features": torch.randn(2, 5, config.features - 1, generator=rng),
    }
    dynamic: dict[str, dict[int, str]] = {name: {0: "batch"} for name in inputs}
    for name in ("candidates", "features"):
        dynamic[name][1] = "candidates"
    return ExportInputs(_Served(model).eval(), inputs, dynamic, OUTPUTS)
