"""Interactions → training events and questions: a history that a recommender sees, and what the user did next.

A question carries its own history, so that two models trained on different data answer the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vitrina.contracts.interactions import EVENTS
from vitrina.errors import DataError, UsageError
from vitrina.recommendation.events import Events, read_events
from vitrina.recommendation.histories import LONGEST, History, history_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

How = Literal["time", "leave_one_out", "random"]
LIGHT = 5
"""A user with fewer products in the history is `light`; with none, `new`."""

TRAIN, VALIDATION, TEST = range(3)
LATER = 3
"""Events after what a user is asked about: nobody sees them."""


@dataclass(frozen=True)
class Splits:
    """`train`, `recent`: events (user_id, product_id, event, value, timestamp); `validation`, `test`: one row a user.

    `recent` has the events between: test histories know them, `train` does not; for fitting again once validation has
    chosen. A row has `row_id`, `user_id`, `history` (product ids, oldest first), `history_times` (seconds since the
    epoch), `history_events`, `history_values`, `targets` (product ids) and `segment` (new, light, heavy).
    """

    train: pa.Table
    recent: pa.Table
    validation: pa.Table
    test: pa.Table

    def save(self, folder: Path) -> None:
        """Write `train.parquet`, `recent.parquet`, `validation.parquet` and `test.parquet`."""
        import pyarrow.parquet as pq

        for name in ("train", "recent", "validation", "test"):
            pq.write_table(getattr(self, name), folder / f"{name}.parquet", compression="zstd")


def split(
    interactions: pa.Table | pd.DataFrame,
    products: Sequence[str],
    how: str = "time",
    *,
    fraction: float = 0.1,
    longest: int = LONGEST,
    until: float | None = None,
    seed: int = 7,
) -> Splits:
    """Hold out what comes next.

    `time`: the last `fraction` of all events is test, as much before it validation; a history ends where its part
    begins. `leave_one_out`: of each user with three or more products the last is test, the one before validation.
    `random`: the share `fraction` of each user's products is test, as much validation, chosen by a hash of user and
    product; for data whose order is unknown. Targets are products that the user liked in the part and that are not in
    the history; the history of a test row holds training and validation events, the last `longest` of them.

    Raises:
        UsageError: for an unknown way or a share outside 0 to 0.5.
        DataError: when a part ends empty.
    """
    if how not in get_args(How):
        raise UsageError(f"There is no split '{how}': it is one of {', '.join(get_args(How))}.")
    if not 0 < fraction < 0.5:
        raise UsageError(f"The share held out must lie between 0 and 0.5, got {fraction}.")
    events = read_events(interactions, products, until=until)
    ways: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "time": lambda: by_time(events, fraction),
        "leave_one_out": lambda: leave_one_out(events),
        "random": lambda: at_random(events, fraction, seed),
    }
    return splits_of(events, *ways[how](), longest)


def splits_of(events: Events, for_validation: np.ndarray, for_test: np.ndarray, longest: int = LONGEST) -> Splits:
    """Cut by the role of every event in each part: `TRAIN` is history, `TEST` is asked about, `LATER` is unseen.

    Raises:
        DataError: when a part ends empty.
    """
    training = events.where(for_validation == TRAIN)
    recent = events.where((for_validation != TRAIN) & (for_test == TRAIN))
    parts = (_questions(events, for_validation, longest), _questions(events, for_test, longest))
    for name, part in zip(("training", "validation", "test"), (training, *parts), strict=True):
        if not len(part):
            raise DataError(f"The {name} part is empty: it needs more events, or another way to split.")
    return Splits(_table(training), _table(recent), *parts)


def by_time(events: Events, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """The roles for validation and for test, see `splits_of`: the last shares of all events."""
    ordered = np.sort(events.times)
    last, before = (ordered[int(len(ordered) * (1 - share))] for share in (fraction, 2 * fraction))
    validation = np.where(events.times < before, TRAIN, np.where(events.times < last, TEST, LATER))
    return validation, np.where(events.times < last, TRAIN, TEST)


def _first_of_product(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Of each event: the place of the first event of its user with its product, and whether it is that event."""
    key = events.users.astype(np.int64) * len(events.products) + events.items
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    place = first[inverse]
    return place, place == np.arange(len(events))


def leave_one_out(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """The roles for validation and for test: each user's last two products."""
    place, is_first = _first_of_product(events)
    seen = np.cumsum(is_first) - 1  # how many distinct (user, product) began, counted over all users
    rank = seen[place]  # an event has the rank of the first event with its product
    ends = np.searchsorted(events.users[is_first], np.arange(len(events.names)), side="right")
    starts = np.concatenate([[0], ends[:-1]])
    from_end = ends[events.users] - rank  # 1: the user's last new product
    enough = (ends - starts)[events.users] >= 3
    moment = seen - starts[events.users]  # how far the user was when the event happened
    total = (ends - starts)[events.users]
    validation = _role(enough, from_end == 2, moment >= total - 2)
    return validation, _role(enough, from_end == 1, moment >= total - 1)


def _role(enough: np.ndarray, asked: np.ndarray, reached: np.ndarray) -> np.ndarray:
    return np.where(~enough, TRAIN, np.where(asked, TEST, np.where(reached, LATER, TRAIN)))


def at_random(events: Events, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The roles for validation and for test: shares of each user's products, by a hash of user and product."""
    place, is_first = _first_of_product(events)
    firsts = np.flatnonzero(is_first)
    drawn = np.array([_draw(events, int(row), seed) for row in firsts])
    users = events.users[firsts]
    order = np.lexsort((drawn, users))
    counts = np.bincount(users, minlength=len(events.names))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(firsts), dtype=np.int64)
    rank[order] = np.arange(len(firsts)) - starts[users[order]]
    held = np.floor(fraction * counts + 0.5).astype(np.int64)[users]
    role = np.full(len(events), TRAIN)
    role[firsts] = np.where(rank < held, TEST, np.where(rank < 2 * held, VALIDATION, TRAIN))
    role = role[place]
    validation = np.where(role == TEST, LATER, np.where(role == VALIDATION, TEST, TRAIN))
    return validation, np.where(role == TEST, TEST, TRAIN)


def _draw(events: Events, row: int, seed: int) -> int:
    content = f"{seed}\x1f{events.names[events.users[row]]}\x1f{events.products[events.items[row]]}"
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=7).digest(), "big")


def _questions(events: Events, role: np.ndarray, longest: int) -> pa.Table:
    """One row for each user with something to find: products liked among TEST events, not among TRAIN events."""
    import pyarrow as pa

    asked, past = events.where(role == TEST), events.where(role == TRAIN)
    users, targets = _targets(asked, past)
    ends = past.offsets[1:]
    past = past.where(ends[past.users] - np.arange(len(past)) <= longest)
    asking, sizes = np.unique(users, return_counts=True)
    mine = past.where(np.isin(past.users, asking))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(mine.users, minlength=len(events.names))[asking])])
    names = pa.array([events.names[user] for user in asking], pa.string())
    ids = pa.array(events.products, pa.string())
    rows = pa.array(offsets.astype(np.int32))
    return pa.table(
        {
            "row_id": names,
            "user_id": names,
            "history": pa.ListArray.from_arrays(rows, ids.take(pa.array(mine.items))),
            "history_times": pa.ListArray.from_arrays(rows, pa.array(mine.times)),
            "history_events": pa.ListArray.from_arrays(rows, pa.array(EVENTS).take(pa.array(mine.kinds))),
            "history_values": pa.ListArray.from_arrays(rows, pa.array(mine.values)),
            "targets": pa.ListArray.from_arrays(
                pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)), ids.take(pa.array(targets))
            ),
            "segment": pa.array(_segments(mine, asking, len(events.names)), pa.string()),
        }
    )


def _targets(asked: Events, past: Events) -> tuple[np.ndarray, np.ndarray]:
    """Users and products, sorted by user: what is liked in `asked` and not in `past`."""
    width = len(asked.products)
    key = asked.users.astype(np.int64) * width + asked.items
    pairs, inverse = np.unique(key, return_inverse=True)
    liked = np.bincount(inverse, weights=asked.weights, minlength=len(pairs)) > 0
    fresh = ~np.isin(pairs, past.users.astype(np.int64) * width + past.items)
    pairs = pairs[liked & fresh]
    return (pairs // width).astype(np.int64), (pairs % width).astype(np.int32)


def _segments(past: Events, users: np.ndarray, count: int) -> list[str]:
    pairs = np.unique(past.users.astype(np.int64) * len(past.products) + past.items)
    sizes = np.bincount(pairs // len(past.products), minlength=count)[users]
    return [segment(int(size)) for size in sizes]


def segment(products: int) -> str:
    """The slice of a user with so many distinct products in the history."""
    return "new" if products == 0 else "light" if products < LIGHT else "heavy"


def _table(events: Events) -> pa.Table:
    import pyarrow as pa

    micros = pa.array(np.round(events.times * 1e6).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    return pa.table(
        {
            "user_id": pa.array(events.names, pa.string()).take(pa.array(events.users)),
            "product_id": pa.array(events.products, pa.string()).take(pa.array(events.items)),
            "event": pa.array(EVENTS).take(pa.array(events.kinds)),
            "value": pa.array(events.values, from_pandas=True),
            "timestamp": micros,
        }
    )


def example_histories(examples: pd.DataFrame, places: Mapping[str, int]) -> list[History]:
    """The histories of question rows in an item space (product id → place); unknown products are left out."""
    values = examples["history_values"] if "history_values" in examples else [None] * len(examples)
    rows = zip(examples["history"], examples["history_times"], examples["history_events"], values, strict=True)
    return [history_of(places, *row) for row in rows]


def example_targets(examples: pd.DataFrame, places: Mapping[str, int]) -> list[np.ndarray]:
    """The targets of question rows as places, int64; a target outside the item space is -2: it cannot be found."""
    return [np.array([places.get(product, -2) for product in row], dtype=np.int64) for row in examples["targets"]]
