"""The published sets of the recommendation benchmarks, each with a test part and a validation part before it.

gowalla: a fifth of each user's places is test, a fifth validation, by a hash. amazon_beauty_seq: the last product is
test, the one before validation. lastfm_hetrec: the authors' test file is test, a fifth of the training file validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vitrina.data.sources import lastfm_hetrec
from vitrina.jobs import ingest
from vitrina.recommendation.events import read_events
from vitrina.recommendation.histories import Histories, History, histories_of
from vitrina.recommendation.splitting import (
    LATER,
    TEST,
    TRAIN,
    Splits,
    at_random,
    example_histories,
    example_targets,
    split,
    splits_of,
)

HELD_OUT, SEED = 0.2, 7
LONGEST = 2000
"""Longer than any published history: what a user had must not be shown again."""

LAYOUTS = {"gowalla": "gowalla", "amazon_beauty_seq": "amazon_sequences", "lastfm_hetrec": "lastfm_hetrec"}


@dataclass(frozen=True)
class Questions:
    """Rows of a part: what is known of a user, and what is to be found."""

    histories: list[History]
    targets: list[np.ndarray]
    segments: list[str]

    @cached_property
    def seen(self) -> list[np.ndarray]:
        """What a row does not show: the products of its history."""
        return [np.unique(history.items) for history in self.histories]

    def sample(self, count: int) -> Questions:
        """`count` of the rows, chosen by the seed; all where there are no more."""
        if len(self.targets) <= count:
            return self
        chosen = np.sort(np.random.default_rng(SEED).choice(len(self.targets), count, replace=False))
        return Questions(*([each[row] for row in chosen] for each in (self.histories, self.targets, self.segments)))


@dataclass(frozen=True)
class RecommendationSet:
    """One set: training events, the validation rows that choose, and what is fitted on and asked in the end."""

    name: str
    catalogue: pa.Table
    splits: Splits

    @cached_property
    def products(self) -> list[str]:
        """The item space: ids in the order of the catalogue."""
        return list(self.catalogue["product_id"].to_pylist())

    @cached_property
    def train(self) -> Histories:
        """What a model that is chosen on validation learns from."""
        return histories_of(self.splits.train, self.products, longest=LONGEST)

    @cached_property
    def known(self) -> Histories:
        """Everything before the test part."""
        return histories_of(pa.concat_tables([self.splits.train, self.splits.recent]), self.products, longest=LONGEST)

    @cached_property
    def validation(self) -> Questions:
        """The rows that choose."""
        return self._questions(self.splits.validation)

    @cached_property
    def test(self) -> Questions:
        """The rows that are reported."""
        return self._questions(self.splits.test)

    def _questions(self, part: pa.Table) -> Questions:
        rows = part.to_pandas()
        places = {product: place for place, product in enumerate(self.products)}
        return Questions(example_histories(rows, places), example_targets(rows, places), list(rows["segment"]))


def recommendation_set(name: str, source: Path, work: Path) -> RecommendationSet:
    """Ingest the set `name` of the folder of published sets `source` into `work`, and split it."""
    work.mkdir(parents=True, exist_ok=True)
    tables = {"interactions": LAYOUTS[name], "catalogue": f"{LAYOUTS[name]}_catalogue"}
    for table, layout in tables.items():
        if not (work / f"{table}.parquet").exists():
            ingest(source / name, table, work / f"{table}.parquet", layout=layout)
    catalogue = pq.read_table(work / "catalogue.parquet")
    interactions = pq.read_table(work / "interactions.parquet")
    return RecommendationSet(name, catalogue, SPLITS[name](interactions, catalogue["product_id"].to_pylist()))


def _at_random(interactions: pa.Table, products: list[str]) -> Splits:
    return split(interactions, products, "random", fraction=HELD_OUT, longest=LONGEST)


def _last_product(interactions: pa.Table, products: list[str]) -> Splits:
    return split(interactions, products, "leave_one_out", longest=LONGEST)


def _authors(interactions: pa.Table, products: list[str]) -> Splits:
    """The authors' test rows; a random fifth of each user's others chooses."""
    events = read_events(interactions, products)
    late = events.times >= lastfm_hetrec.TEST_BEGINS.timestamp()
    for_validation = np.full(len(events), LATER)
    for_validation[~late] = at_random(events.where(~late), HELD_OUT, SEED)[1]
    return splits_of(events, for_validation, np.where(late, TEST, TRAIN), LONGEST)


SPLITS: dict[str, Callable[[pa.Table, list[str]], Splits]] = {
    "gowalla": _at_random,
    "amazon_beauty_seq": _last_product,
    "lastfm_hetrec": _authors,
}
