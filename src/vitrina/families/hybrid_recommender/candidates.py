"""What the second look learns from: late training rows, and what members that know only earlier ones put high."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrina.families.hybrid_recommender import components
from vitrina.families.hybrid_recommender.batches import Candidates, TrainingRows
from vitrina.families.hybrid_recommender.configuration import Options
from vitrina.recommendation.histories import Histories, History
from vitrina.recommendation.members import Member
from vitrina.recommendation.ranking import best

LATE = 0.15
"""Share of the training rows, the latest, that the members asked here have not seen."""

ROWS = 6000
"""Rows, at most: 6,000 rows with 100 candidates of 7 members are 17 MB."""

KEPT = 100
BLOCK = 64


def training_candidates(
    rows: TrainingRows, known_products: components.Products, options: Options, seed: int
) -> Candidates | None:
    """The right product of each late row and the best `KEPT` - 1 others by the members; None without members.

    A member that was fitted on the row itself would know the answer: these are fitted on the events before.
    """
    if not options.members:
        return None
    histories = rows.histories
    moments = histories.times[rows.events] if rows.ordered else np.random.default_rng(seed).random(len(rows))
    border = float(np.quantile(moments, 1 - LATE))
    late = np.flatnonzero(moments >= border)
    early = np.setdiff1d(np.arange(len(histories.items)), _after(rows, histories, border, late))
    known = _only(histories, early)
    if not len(late) or not len(known.items):
        return None
    if len(late) > ROWS:
        late = np.sort(np.random.default_rng(seed).choice(late, ROWS, replace=False))
    members, _ = components.fit(options.members, known, known_products, options.member_options)
    return _candidates(rows, late, [members[name] for name in options.members], options)


def _after(rows: TrainingRows, histories: Histories, border: float, late: np.ndarray) -> np.ndarray:
    """Places of the events that the members may not see."""
    return np.flatnonzero(histories.times >= border) if rows.ordered else rows.events[late]


def _only(histories: Histories, places: np.ndarray) -> Histories:
    """The histories of the same users with these events only."""
    offsets = np.searchsorted(places, histories.offsets).astype(np.int64)
    parts = (histories.items[places], histories.times[places], histories.weights[places])
    return Histories(histories.users, histories.products, offsets, *parts)


def _candidates(rows: TrainingRows, late: np.ndarray, members: Sequence[Member], options: Options) -> Candidates:
    size = min(KEPT, len(rows.histories.products))
    products = np.zeros((len(late), size), dtype=np.int64)
    features = np.zeros((len(late), size, len(members)), dtype=np.float32)
    for start in range(0, len(late), BLOCK):
        block = late[start : start + BLOCK]
        batch = [rows.history(int(row), options.longest) for row in block]
        parts = [member.scores(batch) for member in members]
        total = sum(part / components.deviations(part)[:, None] for part in parts)
        chosen = np.stack(
            [
                _of_row(total[n], each, rows.target(int(row)), size)
                for n, (row, each) in enumerate(zip(block, batch, strict=True))
            ]
        )
        products[start : start + len(block)] = chosen
        for place, part in enumerate(parts):
            features[start : start + len(block), :, place] = components.standard_at(part, chosen)
    return Candidates(late, products, features)


def _of_row(scores: np.ndarray, history: History, target: int, size: int) -> np.ndarray:
    """The target, then the best others that are not in the history."""
    hidden = np.array(scores, dtype=np.float32)
    hidden[history.items] = -np.inf
    hidden[target] = -np.inf
    others = best(hidden, size - 1)
    filled = np.full(size, target, dtype=np.int64)
    filled[1 : 1 + len(others)] = others
    return filled
