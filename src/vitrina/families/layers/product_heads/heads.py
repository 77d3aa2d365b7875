"""What a model predicts, head by head, and where each head's numbers stand in the one logits tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["one", "many", "share", "ordinal", "number"]

CATEGORY = "category"
QUALITY = "quality"
RECOMMENDED = "recommended"
RATING = "rating"
PRICE_LEVEL = "price_level"
"""The log price, standardised within its currency."""

ATTRIBUTE = "attributes."
"""Prefix of the heads that say an attribute."""

STARS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Head:
    """One thing that is predicted.

    Attributes:
        kind: `one` of the labels (softmax), any of `many` labels (a sigmoid each), a `share` 0–1 (one sigmoid), or
            `ordinal` labels (a sigmoid for each step up, Frank and Hall, 2001), or a `number` as it is.
        start: first column of the head in the logits.
        target: first column of the head in the label matrix, where NaN is unknown.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    start: int
    target: int

    @property
    def width(self) -> int:
        """Columns in the logits."""
        return {"share": 1, "number": 1, "ordinal": len(self.labels) - 1}.get(self.kind, len(self.labels))

    @property
    def targets(self) -> int:
        """Columns in the label matrix: a class number, 0/1 for each of many, a share or number, or a step number."""
        return len(self.labels) if self.kind == "many" else 1

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + self.width)

    @property
    def target_columns(self) -> slice:
        return slice(self.target, self.target + self.targets)

    @property
    def attribute(self) -> str | None:
        """The attribute it says, None for other heads."""
        return self.name.removeprefix(ATTRIBUTE) if self.name.startswith(ATTRIBUTE) else None


def lay_out(described: Iterable[Mapping[str, Any]]) -> list[Head]:
    """Heads side by side, from `describe`'s mappings."""
    heads: list[Head] = []
    start = target = 0
    for each in described:
        head = Head(each["name"], each["kind"], tuple(each["labels"]), start, target)
        heads.append(head)
        start, target = start + head.width, target + head.targets
    return heads


def describe(heads: Sequence[Head]) -> list[dict[str, Any]]:
    """Heads as `config.json` and `labels.json` keep them."""
    return [{"name": head.name, "kind": head.kind, "labels": list(head.labels)} for head in heads]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), float64, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))


def stars(logits: np.ndarray) -> np.ndarray:
    """Expected rating of an ordinal head: 1 + Σ P(rating > k); (rows, 4) → (rows,), 1–5."""
    return 1 + sigmoid(logits).sum(1)


class Levels:
    """The levels of a category tree: probabilities of leaves add up to those of the nodes above.

    No level can contradict another: the path of the best leaf is the answer, and a node is as likely as its leaves.
    """

    def __init__(self, leaves: Sequence[str], separator: str) -> None:
        self.paths = [leaf.split(separator) for leaf in leaves]
        self.depth = max(len(path) for path in self.paths)
        self._node: list[np.ndarray] = []  # level → leaf → number of its node (a shallow leaf is its own node)
        for level in range(1, self.depth + 1):
            _, nodes = np.unique([separator.join(path[:level]) for path in self.paths], return_inverse=True)
            self._node.append(nodes)

    def confidence(self, probabilities: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Probability of the best leaf's node at each level; (rows, leaves), (rows,) → (rows, depth)."""
        columns = []
        for nodes in self._node:
            same = nodes[None, :] == nodes[best][:, None]
            columns.append((probabilities * same).sum(1))
        return np.minimum(np.stack(columns, 1), 1.0)
