"""Who did what, in order of time: the one input of every recommender."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError
from vitrina.recommendation.events import EVENT_WEIGHTS, Events, event_weights, logger, rating_weight, read_events

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["EVENT_WEIGHTS", "Histories", "History", "event_weights", "histories_of", "history_of", "rating_weight"]

LONGEST = 500
ARRAYS = {"offsets": np.int64, "items": np.int32, "times": np.float64, "weights": np.float32}
IDS = ("users", "products")
NOT_BOUGHT = np.array([EVENT_WEIGHTS["view"], EVENT_WEIGHTS["cart"]], dtype=np.float32)


@dataclass(frozen=True)
class History:
    """What one user did, oldest first.

    Attributes:
        items: (n,) int32 places in the item space.
        times: (n,) float64 seconds since the epoch, or the place in the sequence where no time is known.
        weights: (n,) float32, see `events.event_weights`; negative: disliked.
    """

    items: np.ndarray
    times: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    @property
    def bought(self) -> np.ndarray:
        """Distinct products with an event that is more than a view or a cart: a purchase or a rating."""
        return np.unique(self.items[~np.isin(self.weights, NOT_BOUGHT)])

    @property
    def distinct(self) -> np.ndarray:
        """Distinct products, in the order of their first event."""
        _, first = np.unique(self.items, return_index=True)
        return self.items[np.sort(first)]

    def before(self, moment: float) -> History:
        """The events before `moment`."""
        kept = self.times < moment
        return History(self.items[kept], self.times[kept], self.weights[kept])

    def last(self, count: int) -> History:
        """The last `count` events."""
        start = max(len(self.items) - count, 0)
        return History(self.items[start:], self.times[start:], self.weights[start:])

    def then(self, later: History) -> History:
        """Both, in order of time (equal times: the other's after these)."""
        items, times, weights = (
            np.concatenate([ours, theirs])
            for ours, theirs in (
                (self.items, later.items),
                (self.times, later.times),
                (self.weights, later.weights),
            )
        )
        order = np.argsort(times, kind="stable")
        return History(items[order].astype(np.int32), times[order], weights[order].astype(np.float32))


NOTHING = History(np.empty(0, np.int32), np.empty(0), np.empty(0, np.float32))


@dataclass(frozen=True)
class Histories:
    """The histories of many users; `of(user)` is one of them.

    Attributes:
        users: ids, sorted.
        products: the item space, in the order of the model folder.
        offsets: (users + 1,) int64; the events of user u are `offsets[u]:offsets[u + 1]`, oldest first.
        items, times, weights: (events,), see `History`.
    """

    users: list[str]
    products: list[str]
    offsets: np.ndarray
    items: np.ndarray
    times: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def user_of(self) -> np.ndarray:
        """(events,) int32: whose event each is."""
        return np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.offsets))

    def at(self, place: int) -> History:
        """The history of the user at `place`."""
        start, end = self.offsets[place], self.offsets[place + 1]
        return History(self.items[start:end], self.times[start:end], self.weights[start:end])

    def of(self, user: str) -> History:
        """The history of a user; empty when unknown."""
        place = self.place(user)
        return NOTHING if place is None else self.at(place)

    def place(self, user: str) -> int | None:
        """Where a user stands in `users`; None when unknown."""
        place = bisect_left(self.users, user)
        return place if place < len(self.users) and self.users[place] == user else None

    def all(self) -> list[History]:
        """One history a user."""
        return [self.at(place) for place in range(len(self.users))]

    def matrix(self) -> sparse.csr_matrix:
        """(users, products) float32: 1 where the events of a user with a product add up to more than nothing."""
        return _liked(self.user_of, self.items, self.weights, (len(self.users), len(self.products)))

    def save(self, folder: Path) -> None:
        """Write four `.npy` files and the ids as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, kind in ARRAYS.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(getattr(self, name), dtype=kind))
        for name in IDS:
            write_json(folder / f"{name}.json", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Histories:
        """Open what `save` wrote; the arrays are memory-mapped.

        Raises:
            ArtifactError: when a file is missing or damaged.
        """
        ids = {name: read_json(folder / f"{name}.json") for name in IDS}
        try:
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        except (OSError, ValueError) as error:
            raise ArtifactError(f"The histories in {folder} cannot be read: {error}.") from error
        found = cls(**ids, **arrays)
        if len(found.offsets) != len(found.users) + 1 or int(found.offsets[-1]) != len(found.items):
            raise ArtifactError(f"The histories in {folder} are damaged: their files do not agree.")
        return found


def batch_matrix(batch: Sequence[History], products: int) -> sparse.csr_matrix:
    """(batch, products) float32: as `Histories.matrix`, of these histories."""
    users = np.repeat(np.arange(len(batch), dtype=np.int32), [len(history) for history in batch])
    items = np.concatenate([history.items for history in batch]) if batch else np.empty(0, np.int32)
    weights = np.concatenate([history.weights for history in batch]) if batch else np.empty(0, np.float32)
    return _liked(users, items, weights, (len(batch), products))


def _liked(users: np.ndarray, items: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    total = sparse.csr_matrix((weights, (users, items)), shape=shape, dtype=np.float32)
    total.sum_duplicates()
    total.data = (total.data > 0).astype(np.float32)
    total.eliminate_zeros()
    return total


def histories_of(
    interactions: pa.Table | pd.DataFrame,
    products: Sequence[str],
    *,
    until: float | None = None,
    longest: int = LONGEST,
) -> Histories:
    """The histories in an interactions table.

    Exact duplicates count once; events after `until` (seconds since the epoch; default: now) and of unknown products
    are dropped with a warning. A user keeps the last `longest` events: who has 50,000 is a bot or a wholesaler. Users
    with nothing left vanish.

    Raises:
        DataError: when a column is missing or no event is left.
    """
    return of_events(read_events(interactions, products, until=until), longest)


def of_events(events: Events, longest: int = LONGEST) -> Histories:
    """The histories in checked events; see `histories_of`."""
    ends = events.offsets[1:]
    kept = ends[events.users] - np.arange(len(events)) <= longest
    if not kept.all():
        cut = len(np.unique(events.users[~kept]))
        logger.warning("%s users have more than %s events: only the last ones are kept.", f"{cut:,}", f"{longest:,}")
    chosen = events.where(kept)
    present, users = np.unique(chosen.users, return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(present)))]).astype(np.int64)
    names = [events.names[place] for place in present]
    return Histories(names, events.products, offsets, chosen.items, chosen.times, chosen.weights)


def history_of(
    places: Mapping[str, int],
    products: Sequence[str],
    times: Sequence[float] | np.ndarray,
    events: Sequence[str],
    values: Sequence[float | None] | np.ndarray | None = None,
) -> History:
    """A history from ids, oldest first; unknown products are left out.

    Args:
        places: product id → place in the item space.
    """
    stated = [None] * len(products) if values is None else values
    weights = event_weights(events, stated)
    known = [row for row, product in enumerate(products) if product in places]
    items = np.array([places[products[row]] for row in known], dtype=np.int32)
    return History(items, np.asarray(times, dtype=float)[known], weights[known])
