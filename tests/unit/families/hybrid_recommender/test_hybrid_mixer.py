"""One matrix product and a few additions give the blend of standardised scores, whatever the sources are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vitrina.families.hybrid_recommender import components
from vitrina.families.hybrid_recommender.content import content_vectors
from vitrina.families.hybrid_recommender.mixer import Mixer, factors_of, scored
from vitrina.recommendation.blending import Blend, standardised
from vitrina.recommendation.histories import NOTHING, Histories, histories_of
from vitrina.recommendation.members import Member

PRODUCTS = [f"p{n}" for n in range(40)]
OPTIONS = {"ease": {"head": 40}, "gfcf": {"factors": 6}}
WEIGHTS = {name: 0.1 + place / 3 for place, name in enumerate(components.DEFAULT)}


@pytest.fixture(scope="module")
def histories() -> Histories:
    rng = np.random.default_rng(0)
    rows = {
        "user_id": [f"u{n}" for n in rng.integers(0, 20, 300)],
        "product_id": [PRODUCTS[n] for n in rng.integers(0, 38, 300)],
        "event": rng.choice(["view", "purchase", "rating"], 300),
        "value": rng.integers(1, 6, 300).astype(float),
        "timestamp": rng.uniform(1e9, 1.1e9, 300),
    }
    return histories_of(pd.DataFrame(rows), PRODUCTS)


@pytest.fixture(scope="module")
def members(histories: Histories) -> dict[str, Member]:
    catalogue = pd.DataFrame({"product_id": PRODUCTS, "title": [f"shirt {n % 7} of {n % 5}" for n in range(40)]})
    products = components.Products(content_vectors(catalogue, 8), pa.Table.from_pandas(catalogue))
    return components.fit(components.DEFAULT, histories, products, OPTIONS)[0]


def mixer_of(members: dict[str, Member], ties: np.ndarray) -> Mixer:
    return Mixer({name: own for name, each in members.items() if (own := factors_of(each)) is not None}, ties)


def test_the_mix_ranks_as_the_blend_of_standardised_scores(histories: Histories, members: dict[str, Member]) -> None:
    batch = [*histories.all()[:9], NOTHING]
    mixer = mixer_of(members, np.zeros(40, np.float32))
    sources = {name: scored(member, batch) for name, member in members.items()}
    wanted = Blend(members, WEIGHTS).scores(batch)
    found = mixer.mix(sources, WEIGHTS, len(batch)).table
    np.testing.assert_allclose(_centred(found), _centred(wanted), atol=1e-3)


@pytest.mark.parametrize("name", components.DEFAULT)
def test_each_source_alone_is_standardised(name: str, histories: Histories, members: dict[str, Member]) -> None:
    batch, places = histories.all()[:6], np.tile(np.arange(0, 40, 3), (6, 1))
    mixer = mixer_of(members, np.zeros(40, np.float32))
    mixed = mixer.mix({name: scored(members[name], batch)}, {name: 2.0}, 6)
    wanted = standardised(members[name].scores(batch))
    np.testing.assert_allclose(_centred(mixed.table), _centred(2 * wanted), atol=1e-3)
    np.testing.assert_allclose(mixed.at(name, places), wanted[:, ::3], atol=1e-3)


def test_ties_decide_only_where_nothing_else_does(members: dict[str, Member]) -> None:
    mixer = mixer_of(members, np.linspace(0, 1, 40, dtype=np.float32))
    sources = {name: scored(members[name], [NOTHING]) for name in ("item_knn", "user_knn", "content", "gfcf")}
    mixed = mixer.mix(sources, dict.fromkeys(sources, 1.0), 1)
    assert np.argsort(mixed.table[0]).tolist() == list(range(40))
    assert np.isfinite(mixed.at("gfcf", np.array([[0, 5]]))).all()


def _centred(table: np.ndarray) -> np.ndarray:
    return table - table.mean(1, keepdims=True)
