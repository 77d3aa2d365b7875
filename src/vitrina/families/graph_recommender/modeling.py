"""The graph recommender: node vectors, propagation along the graph, attention over histories, link prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.graph_recommender.configuration import GraphRecommenderConfig
from vitrina.families.graph_recommender.graph import Graph
from vitrina.families.graph_recommender.propagation import AttentionPropagation, LightPropagation, Messages, torch_csr
from vitrina.families.graph_recommender.taste import Taste

DEPTH = 20
NEGATIVES = 16
"""Negatives that BPR compares a target with."""


@dataclass
class GraphOutput(ModelOutput):
    """The loss, and where everything was ranked the nDCG@20 of each row, (rows,)."""

    loss: Tensor | None = None
    ndcg: Tensor | None = None


class GraphRecommender(PreTrainedModel):
    """Trained to foretell the products that follow a history (link prediction); needs `attach` before the first step.

    User nodes take part in the propagation of training only: a user who comes later is read from a history.
    """

    config_class = GraphRecommenderConfig
    base_model_prefix = "graph"
    main_input_name = "seeds"

    def __init__(self, config: GraphRecommenderConfig) -> None:
        super().__init__(config)
        nodes = config.users + config.products + config.attributes
        self.nodes = nn.Embedding(nodes, config.dimension)
        self.content = nn.Linear(config.content, config.dimension, bias=False) if config.content else None
        self.light = config.propagation == "lightgcn"
        if self.light:
            self.propagation: Any = LightPropagation(config.layers)
        else:
            self.propagation = AttentionPropagation(config.dimension, config.layers, config.heads, config.dropout)
        self.taste = Taste(config.dimension, config.heads, config.products)
        self.dropout = nn.Dropout(config.dropout)
        self.graph: Graph | None = None
        self._final: Tensor | None = None
        self.post_init()

    def attach(self, graph: Graph, content: Tensor | None) -> None:
        """Take the graph to train on, and the vectors of the products' words (products, content width).

        They are data, not weights: a saved model does not hold them.
        """
        self.graph = graph
        degrees = torch.from_numpy(graph.degrees[graph.product_nodes]).float()
        self.register_buffer("degrees", degrees.clamp(min=1).log(), persistent=False)
        self.register_buffer("words", content, persistent=False)
        adjacency = torch_csr(graph.normalised()) if self.light else None
        self.register_buffer("adjacency", adjacency, persistent=False)

    def train(self, mode: bool = True) -> GraphRecommender:
        """Also forgets the final vectors: weights are about to change, or have."""
        self._final = None
        return super().train(mode)

    def first(self, nodes: Tensor) -> Tensor:
        """(n, width): the vectors of nodes before propagation; a product's own plus that of its words."""
        vectors = self.nodes(nodes)
        if self.content is None:
            return vectors
        place = nodes - self.config.users
        is_product = (place >= 0) & (place < self.config.products)
        words = self.content(self.words[place.clamp(0, self.config.products - 1)])
        return vectors + is_product.unsqueeze(1) * words

    def propagated(self, seeds: Tensor, sources: Tensor | None, blocks: Sequence[Messages], sizes: list[int]) -> Tensor:
        """(seeds, width): the final vectors of some nodes, of unit length."""
        if self.light:
            everything = self.first(torch.arange(self.nodes.num_embeddings, device=seeds.device))
            return unit(self.dropout(self.propagation(everything, self.adjacency)[seeds]))
        return unit(self.propagation(self.dropout(self.first(sources)), blocks, sizes))

    @torch.no_grad()
    def final(self) -> Tensor:
        """(nodes, width): the final unit vectors of all nodes, over all edges; kept until the next training step."""
        if self._final is None:
            vectors = self.first(torch.arange(self.nodes.num_embeddings, device=self.nodes.weight.device))
            light = self.light
            self._final = unit(self.propagation(vectors, self.adjacency) if light else self._everywhere(vectors))
        return self._final

    def _everywhere(self, vectors: Tensor) -> Tensor:
        assert self.graph is not None
        return self.propagation.everywhere(vectors, self.graph)

    def forward(
        self,
        history: Tensor,
        features: Tensor,
        present: Tensor,
        intents: Tensor,
        seeds: Tensor | None = None,
        sources: Tensor | None = None,
        edges: Sequence[Tensor] = (),
        strengths: Sequence[Tensor] = (),
        sizes: Sequence[int] = (),
        users: Tensor | None = None,
        candidates: Tensor | None = None,
        wanted: Tensor | None = None,
        hidden: Tensor | None = None,
        drawn: Tensor | None = None,
        labels: Tensor | None = None,
        excluded: Tensor | None = None,
    ) -> GraphOutput:
        """Training foretells among `candidates`, evaluation among all products.

        Args:
            history, features, present: (rows, n[, 3]): product places, see `reading.padded_readings`.
            intents: (rows,).
            seeds: nodes that the batch needs, distinct; `sources`, `edges`, `strengths`, `sizes`: see `sampling`.
            users: (rows,) user nodes.
            candidates: (c,) product places, distinct; `drawn`: (c,) log of how often each is expected in a batch.
            wanted, hidden: (rows, c) bool: targets, and other products the user chose, which are no negatives.
            labels, excluded: (rows, n) places of the products to foretell and not to rank; −1 is padding.
        """
        if labels is not None:
            return self._rank(history, features, present, intents, labels, excluded)
        assert seeds is not None
        assert candidates is not None
        assert wanted is not None
        assert hidden is not None
        vectors = self.propagated(seeds, sources, list(zip(edges, strengths, strict=True)), [int(n) for n in sizes])
        place = torch.zeros(self.nodes.num_embeddings, dtype=torch.long, device=seeds.device)
        place[seeds] = torch.arange(len(seeds), device=seeds.device)
        shift = self.config.users
        read = self.taste.attend(
            vectors[place[history + shift] * present], features, present, self.degrees[history], intents
        )
        items, degrees, bias = vectors[place[candidates + shift]], self.degrees[candidates], self.taste.bias[candidates]
        loss = self._loss(self.taste.scores(read, items, degrees, bias), wanted, hidden, drawn)
        if self.config.user_weight:
            own = self.taste.scores(vectors[place[users]], items, degrees, bias)
            loss = loss + self.config.user_weight * self._loss(own, wanted, hidden, drawn)
        return GraphOutput(loss=loss)

    def _loss(self, scores: Tensor, wanted: Tensor, hidden: Tensor, drawn: Tensor | None) -> Tensor:
        return bpr(scores, wanted, hidden) if self.config.loss == "bpr" else info_nce(scores, wanted, hidden, drawn)

    def _rank(
        self,
        history: Tensor,
        features: Tensor,
        present: Tensor,
        intents: Tensor,
        targets: Tensor,
        excluded: Tensor | None,
    ) -> GraphOutput:
        vectors = self.final()[self.config.users : self.config.users + self.config.products]
        read = self.taste.attend(vectors[history], features, present, self.degrees[history], intents)
        scores = self.taste.scores(read, vectors, self.degrees, self.taste.bias)
        wanted = _marked(targets, scores.shape)
        loss = info_nce(scores, wanted, torch.zeros_like(wanted), None)
        if excluded is not None:
            scores = scores.masked_fill(_marked(excluded, scores.shape), -torch.inf)
        best = scores.topk(min(DEPTH, scores.shape[1])).indices
        gains = 1 / torch.arange(2, best.shape[1] + 2, device=best.device).float().log2()
        count = wanted.sum(1).clamp(1, best.shape[1])
        reached = (wanted.gather(1, best) * gains).sum(1)
        return GraphOutput(loss=loss, ndcg=reached / gains.cumsum(0)[count - 1])


def unit(vectors: Tensor) -> Tensor:
    """Rows of length 1."""
    return F.normalize(vectors.float(), dim=-1)


def _marked(places: Tensor, shape: torch.Size) -> Tensor:
    """(rows, products) bool from (rows, n) places, −1 is padding."""
    table = torch.zeros(shape[0], shape[1] + 1, dtype=torch.bool, device=places.device)
    table.scatter_(1, places.where(places >= 0, shape[1]), True)
    return table[:, :-1]


def info_nce(scores: Tensor, wanted: Tensor, hidden: Tensor, drawn: Tensor | None) -> Tensor:
    r"""Mean over targets of $-\log \frac{e^{s_t}}{e^{s_t} + \sum_n e^{s_n}}$; scores less `drawn` (log-Q correction).

    A candidate drawn often is a negative often: subtracting the log of how often undoes that (Yi et al., 2019).
    """
    if drawn is not None:
        scores = scores - drawn
    lowest = torch.finfo(scores.dtype).min
    against = scores.masked_fill(wanted | hidden, lowest).logsumexp(1, keepdim=True)
    return _mean(F.softplus(against - scores), wanted)


def bpr(scores: Tensor, wanted: Tensor, hidden: Tensor) -> Tensor:
    r"""Mean over targets t and negatives n of $-\log \sigma(s_t - s_n)$ (Rendle et al., 2009).

    The candidates stand in no order of meaning: a target's negatives are those some random steps further.
    """
    rows, columns = wanted.nonzero(as_tuple=True)
    losses = []
    for step in torch.randint(1, scores.shape[1], (NEGATIVES,)).tolist():
        others = (columns + step) % scores.shape[1]
        negative = ~(wanted | hidden)[rows, others]
        losses.append(F.softplus(scores[rows, others] - scores[rows, columns])[negative])
    together = torch.cat(losses)
    return together.sum() / max(len(together), 1)


def _mean(losses: Tensor, wanted: Tensor) -> Tensor:
    return (losses * wanted).sum() / wanted.sum().clamp(min=1)


def export_inputs(folder: Path) -> None:
    """Nothing is exported: no network runs at request time, NumPy reads the final vectors."""
