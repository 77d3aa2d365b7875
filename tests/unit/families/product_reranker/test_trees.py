"""The trees say the same in ONNX as in scikit-learn, and validation pairs decide how much they count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitrina.errors import ArtifactError
from vitrina.families.product_reranker import trees
from vitrina.families.product_reranker.trainer import calibrated


def _pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    table = rng.random((400, 3)).astype(np.float32)
    table[rng.random(400) < 0.3, 2] = -1
    return table, (table[:, 0] > 0.6) & (table[:, 2] > 0.2)


def test_onnx_trees_are_those_of_scikit_learn(tmp_path: Path) -> None:
    table, match = _pairs()
    grown = trees.fit(table, match, 30, 7)
    trees.write(grown, 3, tmp_path / trees.TREES)
    logits = trees.Trees.load(tmp_path).logits(table)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), grown.predict_proba(table)[:, 1], atol=1e-5)
    assert ((logits > 0) == match).mean() > 0.97
    assert trees.Trees.load(tmp_path).logits(table[:0]).shape == (0,)


def test_missing_trees_are_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"trees\.onnx"):
        trees.Trees.load(tmp_path)


def test_a_judge_that_validation_contradicts_has_no_say() -> None:
    truth = np.array([True, False] * 50)
    rng = np.random.default_rng(1)
    good, bad = truth * 2.0 - 1 + rng.normal(0, 1, 100), rng.normal(0, 1, 100) - truth
    slopes, _ = calibrated(np.column_stack([good, bad]), truth)
    assert slopes[0] > 0.5
    assert slopes[1] == 0
    both, _ = calibrated(np.column_stack([good, good + rng.normal(0, 1, 100)]), truth)
    assert (both >= 0).all()


def test_judges_that_all_contradict_are_not_turned_round() -> None:
    truth = np.array([True, False] * 50)
    slopes, _ = calibrated(-(truth * 2.0 - 1)[:, None], truth)
    assert slopes.tolist() == [1e-3]
