"""Histories cut in two, what came before and what has to be foretold, and the part of the graph that a batch needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vitrina.families.graph_recommender.graph import Graph
from vitrina.families.graph_recommender.reading import BUYING, INTENTS, Reading, padded_readings, read
from vitrina.families.graph_recommender.sampling import sample
from vitrina.recommendation.histories import Histories, History

BROWSE, BUY = range(len(INTENTS))
UNORDERED_SHARE = 5
"""Where no order is known, at most one in so many products of a user is foretold from the others."""


@dataclass(frozen=True)
class Task:
    """What one row asks: the reading of a history, the intent, and the places of the products to foretell."""

    reading: Reading
    intent: int
    targets: np.ndarray


class Questions(Dataset):
    """One row a training user; where the history is cut is drawn anew each time the row is asked for."""

    def __init__(self, histories: Histories, *, longest: int, targets: int, ordered: bool) -> None:
        """`ordered`: the products to foretell are those that came next, not some of all."""
        self.histories, self.longest, self.targets, self.ordered = histories, longest, targets, ordered
        self.rows = [place for place in range(len(histories)) if len(np.unique(histories.at(place).items)) > 1]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> int:
        return self.rows[index]

    def task(self, user: int, rng: np.random.Generator) -> Task:
        """A question about this user."""
        history = self.histories.at(user)
        return self._next(history, rng) if self.ordered else self._some(history, rng)

    def _next(self, history: History, rng: np.random.Generator) -> Task:
        _, first = np.unique(history.items, return_index=True)
        first = np.sort(first)
        cut = int(rng.integers(1, len(first)))
        past = _events(history, slice(None, first[cut]))
        future = history.items[first[cut:]]
        strongest = np.zeros(len(future), dtype=np.float32)
        for place, item in enumerate(future[: 4 * self.targets]):
            strongest[place] = history.weights[history.items == item].max()
        bought = future[strongest >= BUYING]
        if len(bought) and rng.random() < 0.5:
            return Task(read(past, self.longest), BUY, bought[: self.targets])
        return Task(read(past, self.longest), BROWSE, future[: self.targets])

    def _some(self, history: History, rng: np.random.Generator) -> Task:
        products = rng.permutation(np.unique(history.items))
        targets = products[: min(self.targets, max(1, len(products) // UNORDERED_SHARE))]
        past = _events(history, ~np.isin(history.items, targets))
        return Task(read(past, self.longest), BROWSE, targets)


def _events(history: History, kept: Any) -> History:
    return History(history.items[kept], history.times[kept], history.weights[kept])


@dataclass(frozen=True)
class Held:
    """One held-out row: history, the places of the products that followed, and those that are not to be ranked."""

    history: History
    targets: np.ndarray
    excluded: np.ndarray


class HeldRows(Dataset):
    """Held-out rows, ranked against every product."""

    def __init__(self, rows: Sequence[Held]) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Held:
        return self.rows[index]


class Collator:
    """Rows → tensors, with drawn negatives and the neighbourhood of everything that the batch scores."""

    def __init__(self, questions: Questions, graph: Graph, negatives: int, fanout: Sequence[int]) -> None:
        """`fanout`: see `sampling.sample`; empty where the model propagates over the whole graph."""
        self.questions, self.graph, self.negatives, self.fanout = questions, graph, negatives, tuple(fanout)
        chosen = graph.degrees[graph.product_nodes].astype(float)
        self.share = chosen / max(chosen.sum(), 1.0)

    def __call__(self, rows: list[Any]) -> dict[str, Any]:
        if isinstance(rows[0], Held):
            return self._held(rows)
        rng = np.random.default_rng(np.random.randint(2**31))  # follows the seed of the batch, see training/order.py
        tasks = [self.questions.task(user, rng) for user in rows]
        items, features, present = padded_readings([task.reading for task in tasks])
        targets = np.concatenate([task.targets for task in tasks])
        negatives = rng.integers(self.graph.products, size=self.negatives)
        candidates = np.unique(np.concatenate([targets, negatives]))
        wanted = np.zeros((len(rows), len(candidates)), dtype=bool)
        hidden = np.zeros_like(wanted)
        for row, (user, task) in enumerate(zip(rows, tasks, strict=True)):
            wanted[row, np.searchsorted(candidates, task.targets)] = True
            hidden[row] = np.isin(candidates, self.questions.histories.at(user).items)
        expected = len(targets) * self.share[candidates] + self.negatives / self.graph.products
        batch = {
            "history": items,
            "features": features,
            "present": present,
            "intents": np.array([task.intent for task in tasks]),
            "candidates": candidates,
            "wanted": wanted,
            "hidden": hidden,
            "drawn": np.log(expected).astype(np.float32),
            "users": np.array(rows),
        }
        products = np.unique(np.concatenate([items[present], candidates]))
        seeds = np.concatenate([np.unique(rows), products + self.graph.users])
        return _tensors(batch) | self._neighbourhood(seeds, rng)

    def _neighbourhood(self, seeds: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        if not self.fanout:
            return {"seeds": torch.from_numpy(seeds)}
        nodes, blocks = sample(self.graph, seeds, self.fanout, rng)
        return {
            "seeds": torch.from_numpy(seeds),
            "sources": torch.from_numpy(nodes),
            "edges": [torch.from_numpy(block.edges) for block in blocks],
            "strengths": [torch.from_numpy(block.strengths) for block in blocks],
            "sizes": [block.targets for block in blocks],
        }

    def _held(self, rows: Sequence[Held]) -> dict[str, Any]:
        items, features, present = padded_readings([read(row.history, self.questions.longest) for row in rows])
        batch = {"history": items, "features": features, "present": present}
        batch["intents"] = np.full(len(rows), BROWSE)
        batch |= {"labels": _filled([row.targets for row in rows]), "excluded": _filled([row.excluded for row in rows])}
        return _tensors(batch)


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _filled(rows: Sequence[np.ndarray]) -> np.ndarray:
    """(rows, longest) int64, padded with −1."""
    table = np.full((len(rows), max(max(map(len, rows), default=0), 1)), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table
