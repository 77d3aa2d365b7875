"""Users with tastes, and what they view, buy and rate over eighteen months.

A user is a mixture of a few personas. A persona likes some categories, some brands and a price level; demand for a
category follows its season. Whoever views a product that suits them is more likely to buy it and to rate it well: the
interactions can be learnt, by user, by product and by time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vitrina.data.sample_store.grammar import vocabulary

PERSONAS = 16
MONTHS = 18
WEEK = np.array([1.05, 0.95, 0.9, 0.95, 1.0, 1.2, 1.3])  # Monday to Sunday
HOURS = np.array([2, 1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 8, 7, 7, 7, 8, 9, 10, 12, 14, 15, 11, 6], dtype=float)
PEAKS = {1: 1.2, 7: 1.25, 11: 1.5, 12: 1.6}  # month → sales: January and July sales, Black Friday, Christmas
SPARE = 1.05  # journeys drawn beyond need: two of them may coincide, and every event must be unique


@dataclass(frozen=True)
class Taste:
    """Who likes what.

    Attributes:
        mixture: (users, personas), rows sum to 1.
        appeal: (personas, products), how much a persona wants a product, season aside; mean 1 a persona.
        activity: (users,), relative number of visits.
    """

    mixture: np.ndarray
    appeal: np.ndarray
    activity: np.ndarray


def draw_tastes(products: pd.DataFrame, users: int, rng: np.random.Generator, *, drift: bool) -> Taste:
    """Tastes of `users` users; after the drift switch, three in ten have changed theirs and popularity has moved."""
    words = vocabulary("catalogue")
    categories = rng.dirichlet(np.full(len(words["categories"]), 0.15), PERSONAS)
    brands = rng.dirichlet(np.full(len(words["brands"]), 0.5), PERSONAS)
    level = rng.normal(0, 0.45, PERSONAS)  # log of the price, relative to the category's median
    medians = np.array([category["price"] for category in words["categories"]], dtype=float)
    relative = np.log(products["price"].to_numpy() / medians[products["kind"]])
    popularity = np.exp(rng.normal(0, 0.6, len(products)))
    mixture = rng.dirichlet(np.full(PERSONAS, 0.08), users)
    activity = rng.pareto(1.6, users) + 0.2
    if drift:
        popularity = rng.permutation(popularity)
        changed = rng.random(users) < 0.3
        mixture[changed] = np.roll(mixture[changed], 1, axis=1)
    appeal = (
        (categories[:, products["kind"]] + 0.002)
        * (brands[:, products["maker"]] + 0.01)
        * np.exp(-((relative[None, :] - level[:, None]) ** 2) / 0.5)
        * popularity
    )
    return Taste(mixture, appeal / appeal.mean(axis=1, keepdims=True), activity)


def draw_interactions(
    products: pd.DataFrame, taste: Taste, count: int, rng: np.random.Generator, *, start: pd.Timestamp
) -> pd.DataFrame:
    """Exactly `count` events in order of time: user_id, product_id, event, value, timestamp."""
    journeys = int(count * SPARE) + 10
    users = _choose(taste.activity, journeys, rng)
    moments = _moments(journeys, rng, start)
    months = (moments.dt.year - start.year) * 12 + moments.dt.month - start.month
    personas = _choose_rows(taste.mixture[users], rng)
    items = _items(products, taste, personas, months.to_numpy(), rng, start)
    fit = np.einsum("ij,ij->i", taste.mixture[users], taste.appeal[:, items].T)
    rank = fit.argsort().argsort() / journeys  # 0: suits least, 1: suits most
    events = _journeys(users, items, moments, rank, _quality(len(products), rng)[items], rng)
    events = events.drop_duplicates(["user", "item", "event", "timestamp"]).head(count)
    user_ids = np.array([f"u{number:06d}" for number in range(1, len(taste.activity) + 1)], dtype=object)
    events.insert(0, "user_id", user_ids[events.pop("user")])
    events.insert(1, "product_id", products["product_id"].to_numpy()[events.pop("item")])
    return events.sort_values(["timestamp", "user_id", "product_id", "event"], ignore_index=True)


def _choose(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` places of `weights`, drawn in proportion."""
    reached = np.cumsum(weights)
    return np.searchsorted(reached, rng.random(count) * reached[-1], side="right").clip(max=len(weights) - 1)


def _choose_rows(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One place a row of `weights` (rows sum to 1)."""
    reached = np.cumsum(weights, axis=1)
    return (rng.random((len(weights), 1)) > reached[:, :-1]).sum(axis=1)


def _moments(count: int, rng: np.random.Generator, start: pd.Timestamp) -> pd.Series:
    """Times of visits: growth over the months, peaks of the year, the week, the hours of the day."""
    days = pd.date_range(start, start + pd.DateOffset(months=MONTHS), freq="D", inclusive="left")
    growth = np.linspace(0.8, 1.2, len(days))
    peaks = np.array([PEAKS.get(month, 1.0) for month in days.month])
    chosen = _choose(growth * peaks * WEEK[days.dayofweek], count, rng)
    seconds = _choose(HOURS, count, rng) * 3600 + rng.integers(3600, size=count)
    return pd.Series(days[chosen] + pd.to_timedelta(seconds, unit="s"))


def _items(
    products: pd.DataFrame,
    taste: Taste,
    personas: np.ndarray,
    months: np.ndarray,
    rng: np.random.Generator,
    start: pd.Timestamp,
) -> np.ndarray:
    """A product for each visit: by the persona's appetite, the season, and what was on sale by then."""
    categories = vocabulary("catalogue")["categories"]
    peak = np.array([category["season"][0] for category in categories])[products["kind"]]
    strength = np.array([category["season"][1] for category in categories])[products["kind"]]
    draws = rng.random(len(personas))
    items = np.zeros(len(personas), dtype=np.int64)
    group = months * PERSONAS + personas
    order = group.argsort(kind="stable")
    bounds = np.searchsorted(group[order], np.arange(MONTHS * PERSONAS + 1))
    for month in range(MONTHS):
        first = start + pd.DateOffset(months=month)
        season = 1 + strength * np.cos(2 * np.pi * (first.month - peak) / 12)
        demand = season * (products["created_at"] < first).to_numpy()
        for persona in range(PERSONAS):
            here = month * PERSONAS + persona
            visits = order[bounds[here] : bounds[here + 1]]
            reached = np.cumsum(taste.appeal[persona] * demand)
            items[visits] = np.searchsorted(reached, draws[visits] * reached[-1], side="right")
    return items.clip(max=len(products) - 1)


def _quality(count: int, rng: np.random.Generator) -> np.ndarray:
    """How good each product is, in stars around the mean."""
    return rng.normal(0, 0.7, count)


def _journeys(
    users: np.ndarray,
    items: np.ndarray,
    moments: pd.Series,
    rank: np.ndarray,
    quality: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """View → cart → purchase → rating; the events of one journey stand together, journeys in random order."""
    visits = len(users)
    chances = rng.random((visits, 3))
    cart = chances[:, 0] < 0.08 + 0.4 * rank**2
    purchase = cart & (chances[:, 1] < 0.5)
    rating = purchase & (chances[:, 2] < 0.6)
    stars = np.clip(np.rint(3.4 + quality + 1.6 * (rank - 0.35) + rng.normal(0, 0.8, visits)), 1, 5)
    units = 1 + (rng.random(visits) < 0.12)
    waits = np.cumsum(
        np.stack(
            [
                np.zeros(visits),
                rng.integers(30, 1200, visits),
                rng.integers(60, 7200, visits),
                rng.integers(4 * 86400, 21 * 86400, visits),
            ]
        ),
        axis=0,
    )
    steps = [
        ("view", np.ones(visits, bool), np.full(visits, np.nan)),
        ("cart", cart, units),
        ("purchase", purchase, units),
        ("rating", rating, stars),
    ]
    parts = [
        pd.DataFrame(
            {
                "journey": np.flatnonzero(kept),
                "user": users[kept],
                "item": items[kept],
                "event": name,
                "value": value[kept].astype(float),
                "timestamp": moments[kept] + pd.to_timedelta(waits[place][kept], unit="s"),
            }
        )
        for place, (name, kept, value) in enumerate(steps)
    ]
    together = pd.concat(parts, ignore_index=True).sort_values("journey", kind="stable")
    return together.drop(columns="journey")
