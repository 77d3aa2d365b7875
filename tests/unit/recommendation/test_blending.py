from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitrina.errors import ArtifactError
from vitrina.recommendation import members
from vitrina.recommendation.blending import Blend, choose, standardised
from vitrina.recommendation.histories import Histories, History

RNG = np.random.default_rng(3)
ROWS, PRODUCTS = 300, 400
TARGETS = [RNG.choice(PRODUCTS, 3, replace=False) for _ in range(ROWS)]
NOTHING = [np.empty(0, np.int64)] * ROWS


def scorer(signal: float, seed: int) -> np.ndarray:
    """Noise, and `signal` on half of the targets: which half depends on the seed."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(ROWS, PRODUCTS)).astype(np.float32)
    for row, targets in enumerate(TARGETS):
        scores[row, targets[rng.random(len(targets)) < 0.5]] += signal
    return scores


def test_rows_are_standardised_and_silent_ones_are_zero() -> None:
    found = standardised(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
    assert found.mean(1) == pytest.approx([0, 0])
    assert found[0].std() == pytest.approx(1)
    assert not found[1].any()


def test_the_mix_gives_weight_to_what_knows_something_else_and_none_to_noise() -> None:
    first, second, noise = scorer(4, 1), scorer(4, 2), scorer(0, 3)
    scorers = {
        "first": lambda rows: first[rows],
        "second": lambda rows: second[rows],
        "noise": lambda rows: noise[rows],
    }
    weights = choose(scorers, TARGETS, NOTHING)
    assert weights == choose(scorers, TARGETS, NOTHING)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
    assert min(weights["first"], weights["second"]) > 0.25
    assert weights["noise"] < 0.05


def test_one_that_is_best_alone_stays_alone() -> None:
    sure, noise = scorer(0, 1), scorer(0, 2)
    for row, targets in enumerate(TARGETS):
        sure[row, targets] = 50
    assert choose({"noise": lambda rows: noise[rows], "sure": lambda rows: sure[rows]}, TARGETS, NOTHING) == {
        "noise": 0.0,
        "sure": 1.0,
    }


def test_what_a_row_may_not_show_does_not_count() -> None:
    wrong = [np.setdiff1d(np.arange(PRODUCTS), targets)[:50] for targets in TARGETS]
    loud = scorer(3, 1)
    for row, places in enumerate(wrong):
        loud[row, places] = 100
    quiet = scorer(1, 2)
    scorers = {"loud": lambda rows: loud[rows], "quiet": lambda rows: quiet[rows]}
    assert choose(scorers, TARGETS, NOTHING)["quiet"] > 0.5
    assert choose(scorers, TARGETS, wrong)["loud"] > 0.5


def test_a_blend_is_the_weighted_sum_and_comes_back(tmp_path: Path) -> None:
    histories = Histories(
        ["a", "b"],
        ["x", "y", "z"],
        np.array([0, 2, 4]),
        np.array([0, 1, 1, 2], np.int32),
        np.arange(4.0),
        np.ones(4, np.float32),
    )
    fitted = {name: members.fit(name, histories) for name in ("popularity", "item_knn", "ease")}
    blend = Blend(fitted, {"popularity": 0.25, "item_knn": 0.75, "ease": 0.0})
    batch = [History(np.array([0], np.int32), np.zeros(1), np.ones(1, np.float32))]
    expected = sum(
        weight * standardised(fitted[name].scores(batch)) for name, weight in (("popularity", 0.25), ("item_knn", 0.75))
    )
    assert blend.scores(batch) == pytest.approx(expected)
    blend.save(tmp_path / "mix")
    again = Blend.load(tmp_path / "mix")
    assert set(again.members) == {"popularity", "item_knn"}
    assert np.array_equal(again.scores(batch), blend.scores(batch))
    (tmp_path / "mix" / "item_knn" / "member.json").unlink()
    with pytest.raises(ArtifactError, match="does not exist"):
        Blend.load(tmp_path / "mix")
