"""What the network learns from: one row an event that led to a new product, with what the user did before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vitrina.families.hybrid_recommender.configuration import Options
from vitrina.recommendation.histories import Histories, History, rating_weight

STAR = float(np.diff(rating_weight(np.array([2.5, 3.5])))[0])
"""Weight of one star more."""


@dataclass(frozen=True)
class Candidates:
    """What the second look learns from: for each row, the right product and others that the members put high.

    Attributes:
        rows: numbers of training rows, ascending.
        products: (rows, C) places, the right one first.
        features: (rows, C, members) float32, see `components.features_of`.
    """

    rows: np.ndarray
    products: np.ndarray
    features: np.ndarray


class TrainingRows(Dataset):
    """Row → user, place of the event; the events before it are its history."""

    def __init__(self, histories: Histories, options: Options) -> None:
        self.histories = histories
        self.ordered = options.split != "random"
        self.explicit = options.loss == "squared"
        self.events = np.flatnonzero(_first(histories) & (self.explicit | _liked(histories)))
        self.users = histories.user_of[self.events]
        stars = histories.weights[self.events] / STAR
        self._mean, self._spread = float(stars.mean()), float(stars.std()) or 1.0

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, row: int) -> int:
        return row

    def history(self, row: int, longest: int) -> History:
        """What the user did before the row's event; of data without an order, a draw of all else."""
        event, user = int(self.events[row]), int(self.users[row])
        start, end = int(self.histories.offsets[user]), int(self.histories.offsets[user + 1])
        if self.ordered:
            places = np.arange(max(start, event - longest), event)
        else:
            places = np.arange(start, end)
            places = places[self.histories.items[places] != self.histories.items[event]]
            places = np.random.permutation(places)[:longest]
        return History(self.histories.items[places], self.histories.times[places], self.histories.weights[places])

    def target(self, row: int) -> int:
        """Place of the product."""
        return int(self.histories.items[self.events[row]])

    def stars(self, row: int) -> float:
        """The rating of a row, standardised."""
        return (float(self.histories.weights[self.events[row]]) / STAR - self._mean) / self._spread


def _first(histories: Histories) -> np.ndarray:
    """(events,) bool: whether the user does something with the product for the first time."""
    key = histories.user_of.astype(np.int64) * len(histories.products) + histories.items
    first = np.zeros(len(key), dtype=bool)
    first[np.unique(key, return_index=True)[1]] = True
    return first


def _liked(histories: Histories) -> np.ndarray:
    """(events,) bool: whether the user's events with the product add up to more than nothing."""
    key = histories.user_of.astype(np.int64) * len(histories.products) + histories.items
    _, inverse = np.unique(key, return_inverse=True)
    return (np.bincount(inverse, weights=histories.weights) > 0)[inverse]


@dataclass(frozen=True)
class Question:
    """A validation row: who, what before, what next."""

    user: int | None
    history: History
    targets: np.ndarray


class Questions(Dataset):
    """Validation rows that choose the weights."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = list(questions)

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, row: int) -> Question:
        return self.questions[row]


class Collator:
    """Rows → tensors; product and user numbers are places + 1."""

    def __init__(self, rows: TrainingRows, options: Options) -> None:
        self.rows = rows
        self.longest = options.history
        self.candidates: Candidates | None = None

    def __call__(self, batch: list[Any]) -> dict[str, Tensor]:
        return self._questions(batch) if isinstance(batch[0], Question) else self._training(batch)

    def _training(self, batch: list[int]) -> dict[str, Tensor]:
        rows = self.rows
        tensors = read(
            [rows.history(row, self.longest) for row in batch], [int(rows.users[row]) for row in batch], self.longest
        )
        tensors["labels"] = torch.tensor([rows.target(row) + 1 for row in batch])
        if rows.explicit:
            tensors["stars"] = torch.tensor([rows.stars(row) for row in batch])
        if self.candidates is not None:
            known = self.candidates
            places = np.searchsorted(known.rows, batch).clip(max=len(known.rows) - 1)
            here = np.flatnonzero(known.rows[places] == np.asarray(batch))
            tensors["rows"] = torch.from_numpy(here)
            tensors["candidates"] = torch.from_numpy(known.products[places[here]].astype(np.int64) + 1)
            tensors["features"] = torch.from_numpy(known.features[places[here]])
        return tensors

    def _questions(self, batch: list[Question]) -> dict[str, Tensor]:
        tensors = read([each.history for each in batch], [each.user for each in batch], self.longest)
        tensors["labels"] = _padded([each.targets + 1 for each in batch])
        tensors["seen"] = _padded([each.history.items.astype(np.int64) + 1 for each in batch])
        return tensors


def read(histories: Sequence[History], users: Sequence[int | None], longest: int) -> dict[str, Tensor]:
    """`history` product numbers, newest first, `weights` of the events (B, longest), and `user` numbers (B,)."""
    products = np.zeros((len(histories), longest), dtype=np.int64)
    weights = np.zeros((len(histories), longest), dtype=np.float32)
    for row, history in enumerate(histories):
        items = history.items[::-1][:longest]
        products[row, : len(items)] = items + 1
        weights[row, : len(items)] = history.weights[::-1][:longest]
    numbers = [0 if user is None else user + 1 for user in users]
    return {
        "history": torch.from_numpy(products),
        "weights": torch.from_numpy(weights),
        "user": torch.tensor(numbers, dtype=torch.long),
    }


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    """(rows, longest) int64, padded with 0; a product that is not there (-1, from place -2) becomes padding too."""
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0) or 1), dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = np.maximum(row, 0)
    return torch.from_numpy(table)
