"""The interactions table as sorted columns of numbers, checked; what histories and splits are made of."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vitrina.contracts.interactions import EVENTS
from vitrina.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

logger = logging.getLogger("vitrina.recommendation")

EVENT_WEIGHTS = {"view": 1.0, "cart": 2.0, "purchase": 4.0}
"""How much an event says; a rating says `rating_weight` of its stars."""

RATING = "rating"
UNKNOWN_STARS = 3.0
COLUMNS = ("user_id", "product_id", "event", "value", "timestamp")


def rating_weight(stars: np.ndarray) -> np.ndarray:
    """Stars (1–5) as weights: 5 is worth a purchase (4), below 2.5 is a dislike (negative)."""
    return (stars - 2.5) / 2.5 * EVENT_WEIGHTS["purchase"]


def event_weights(events: Sequence[str], values: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """(n,) float32: the weight of each event; a rating without stars counts as three.

    Raises:
        DataError: for an event that no contract knows.
    """
    if unknown := sorted(set(events) - set(EVENTS)):
        raise DataError(f"Unknown event {', '.join(unknown)}; known are {', '.join(EVENTS)}.")
    stars = np.array([UNKNOWN_STARS if value is None or value != value else value for value in values], dtype=float)
    fixed = np.array([EVENT_WEIGHTS.get(event, np.nan) for event in events], dtype=float)
    return np.where(np.isnan(fixed), rating_weight(stars), fixed).astype(np.float32)


@dataclass(frozen=True)
class Events:
    """Events by user, then time (equal times in the order of the table).

    Attributes:
        names: user ids, sorted.
        products: product ids; `items` are places in it.
        users: (events,) int32 places in `names`, ascending.
        items: (events,) int32.
        kinds: (events,) int8 places in `contracts.interactions.EVENTS`.
        values: (events,) float64, NaN where nothing is stated.
        times: (events,) float64 seconds since the epoch.
    """

    names: list[str]
    products: list[str]
    users: np.ndarray
    items: np.ndarray
    kinds: np.ndarray
    values: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    @property
    def weights(self) -> np.ndarray:
        """(events,) float32, see `event_weights`."""
        fixed = np.array([EVENT_WEIGHTS.get(event, np.nan) for event in EVENTS])[self.kinds]
        stars = np.where(np.isnan(self.values), UNKNOWN_STARS, self.values)
        return np.where(np.isnan(fixed), rating_weight(stars), fixed).astype(np.float32)

    def where(self, kept: np.ndarray) -> Events:
        """The events that a mask or an order of places keeps; users without any stay in `names`."""
        return Events(
            self.names,
            self.products,
            *(column[kept] for column in (self.users, self.items, self.kinds, self.values, self.times)),
        )

    @property
    def offsets(self) -> np.ndarray:
        """(names + 1,) int64: the events of user u are `offsets[u]:offsets[u + 1]`."""
        return np.searchsorted(self.users, np.arange(len(self.names) + 1)).astype(np.int64)


def read_events(
    interactions: pa.Table | pd.DataFrame, products: Sequence[str], *, until: float | None = None
) -> Events:
    """The events with these products up to `until` (seconds since the epoch; default: now), exact duplicates once.

    What is dropped is counted in one warning.

    Raises:
        DataError: when a column is missing or no event is left.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = interactions if isinstance(interactions, pa.Table) else _arrow(interactions)
    if absent := sorted(set(COLUMNS) - {"value"} - set(table.column_names)):
        raise DataError(f"Interactions lack the column {', '.join(absent)}.")
    items = pc.index_in(table["product_id"].cast(pa.string()), value_set=pa.array(products, pa.string()))
    kinds = pc.index_in(table["event"].cast(pa.string()), value_set=pa.array(EVENTS))
    times = seconds(table["timestamp"])
    late = times > (time.time() if until is None else until)
    known = items.is_valid().to_numpy()
    good = known & kinds.is_valid().to_numpy() & ~late & ~np.isnan(times)
    _warn(late & known, "events lie in the future or after the end of the data")
    _warn(~known, "events are of products that the catalogue does not have")
    if not good.any():
        raise DataError("No event is left: none is of a known product and in the past.")
    mask = pa.array(good)
    users = pc.dictionary_encode(table["user_id"].cast(pa.string()).filter(mask)).combine_chunks()
    plain = users.dictionary.to_pylist()
    order = sorted(range(len(plain)), key=plain.__getitem__)
    rank = np.empty(len(plain), dtype=np.int32)
    rank[order] = np.arange(len(plain), dtype=np.int32)
    values = table["value"].cast(pa.float64()) if "value" in table.column_names else pa.nulls(len(table), pa.float64())
    events = Events(
        [plain[place] for place in order],
        list(products),
        rank[users.indices.to_numpy()],
        items.filter(mask).to_numpy().astype(np.int32),
        kinds.filter(mask).to_numpy().astype(np.int8),
        pc.fill_null(values, float("nan")).filter(mask).to_numpy(),
        times[good],
    )
    return _unique(events)


def seconds(column: pa.ChunkedArray) -> np.ndarray:
    """A time column as float64 seconds since the epoch, NaN where it is empty; numbers are taken as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        micros = pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False), pa.int64())
        return pc.divide(pc.cast(micros, pa.float64()), 1e6).to_numpy(zero_copy_only=False).astype(float)
    return pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False).astype(float)


def _arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(frame[[name for name in COLUMNS if name in frame]], preserve_index=False)


def _unique(events: Events) -> Events:
    """Sorted, with one of each (user, product, event, time)."""
    order = np.lexsort((events.kinds, events.items, events.times, events.users))
    same = np.ones(len(order), dtype=bool)
    same[:1] = False
    for column in (events.users, events.times, events.items, events.kinds):
        same[1:] &= column[order][1:] == column[order][:-1]
    _warn(same, "events repeat another one exactly")
    kept = np.sort(order[~same])
    return events.where(kept[np.lexsort((events.times[kept], events.users[kept]))])


def _warn(dropped: np.ndarray, what: str) -> None:
    if count := int(dropped.sum()):
        logger.warning("%s of %s %s: they are left out.", f"{count:,}", f"{len(dropped):,}", what)
