"""Episodes: a few classes drawn from many, some of their rows to learn from and others to answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Episode:
    """Row numbers and the position of each row's class within the episode, all int64.

    Attributes:
        support, support_labels: what is learned from.
        query, query_labels: what must be answered.
        ways: number of classes.
    """

    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray
    ways: int


def rows_by_class(labels: Iterable[str]) -> dict[str, np.ndarray]:
    """Class → its row numbers, classes in alphabetical order."""
    names, positions = np.unique(np.asarray(list(labels), dtype=str), return_inverse=True)
    return {str(name): np.flatnonzero(positions == place) for place, name in enumerate(names)}


def draw(classes: Sequence[np.ndarray], ways: int, shots: int, queries: int, rng: np.random.Generator) -> Episode:
    """A random episode.

    Args:
        classes: the row numbers of each class; every one needs more than `shots` rows.
        queries: at most so many rows a class are asked; a class with fewer gives what it has.
    """
    chosen = rng.choice(len(classes), ways, replace=False)
    rows = [rng.permutation(classes[index])[: shots + queries] for index in chosen]
    answers = [part[shots:] for part in rows]
    return Episode(
        support=np.concatenate([part[:shots] for part in rows]),
        support_labels=np.repeat(np.arange(ways), shots),
        query=np.concatenate(answers),
        query_labels=np.repeat(np.arange(ways), [len(part) for part in answers]),
        ways=ways,
    )
