"""The nearest vectors of a segment against exact search."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.errors import ArtifactError
from vitrina.search import vectors
from vitrina.search.vectors import FAISS, RAW, VectorStore, description, write_faiss

ROWS, DIMENSION = 6000, 32


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Clustered unit vectors."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((60, DIMENSION))
    rows = centres[rng.integers(60, size=ROWS)] + 0.4 * rng.standard_normal((ROWS, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=["scan", "cells"])
def store(request, tmp_path, points, monkeypatch) -> VectorStore:
    """The same vectors below and above the number of rows from which they are divided into cells."""
    monkeypatch.setattr(vectors, "SCANNED", ROWS if request.param == "scan" else ROWS - 1)
    (tmp_path / RAW).write_bytes(points.astype(np.float16).tobytes())
    write_faiss(tmp_path, ROWS, DIMENSION)
    return VectorStore(tmp_path, ROWS, DIMENSION)


def recall(store: VectorStore, points: np.ndarray, passing: np.ndarray | None = None) -> float:
    shares = []
    for number in range(0, ROWS, 60):
        query = points[number] + 0.1 * np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
        truth = points @ query
        if passing is not None:
            truth[~passing] = -np.inf
        found, scores = store.nearest(query, 10, passing)
        assert passing is None or passing[found].all()
        np.testing.assert_allclose(scores, (points @ query)[found], atol=5e-3)
        assert (np.diff(scores) <= 0).all()
        shares.append(len(set(np.argsort(-truth)[:10]) & set(found)) / 10)
    return float(np.mean(shares))


def test_nearly_all_true_neighbours_are_found(store, points):
    assert recall(store, points) > 0.98


@pytest.mark.parametrize("share", [0.5, 0.2, 0.002])
def test_a_filter_costs_no_recall_however_few_rows_pass(store, points, share):
    passing = np.random.default_rng(5).random(ROWS) < share
    assert recall(store, points, passing) > 0.98


def test_rows_that_pass_far_from_the_query_are_found(store, points):
    passing = np.zeros(ROWS, bool)
    passing[np.argsort(points @ points[0])[:12]] = True  # the least alike
    found, _ = store.nearest(points[0], 10, passing)
    assert set(found) == set(np.argsort(np.where(passing, -(points @ points[0]), np.inf))[:10])


def test_no_row_that_passes_gives_nothing(store, points):
    found, scores = store.nearest(points[0], 5, np.zeros(ROWS, bool))
    assert len(found) == len(scores) == 0


def test_all_rows_can_be_asked_for(store, points):
    found, _ = store.nearest(points[0], 2 * ROWS)
    assert sorted(found) == list(range(ROWS))


def test_large_segments_are_divided_into_about_two_root_n_cells():
    assert description(20_000) == "SQ8"
    assert description(20_001) == "IVF256,SQ8"
    assert description(1_000_000) == "IVF2048,SQ8"


def test_a_faiss_file_that_is_none_is_refused(tmp_path, points):
    (tmp_path / RAW).write_bytes(points.astype(np.float16).tobytes())
    (tmp_path / FAISS).write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match="cannot be read; build the index again"):
        VectorStore(tmp_path, ROWS, DIMENSION)
