"""Measures of generated pictures, on features whose answer is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vitrina.evaluation.images import Gaussian, as_good, copied, frechet, grid, nearest

rng = np.random.default_rng(0)


def test_the_distance_of_two_normal_distributions_is_the_closed_form() -> None:
    left = rng.normal(0, 1, (40_000, 3))
    right = rng.normal([3, 0, 0], 2, (40_000, 3))
    assert frechet(left, left) == pytest.approx(0, abs=1e-6)
    # |mean|² + Σ (σ − τ)² with independent directions
    assert frechet(left, right) == pytest.approx(9 + 3 * (1 - 2) ** 2, rel=0.03)
    assert frechet(left, right) == pytest.approx(frechet(right, left))


def test_a_set_nearer_to_the_real_one_has_a_lower_distance() -> None:
    real, near, far = rng.normal(0, 1, (500, 8)), rng.normal(0.2, 1, (500, 8)), rng.normal(1, 1, (500, 8))
    assert frechet(near, real) < frechet(far, real)


def test_distances_count_in_units_of_the_spread_and_survive_few_pictures() -> None:
    shape = Gaussian.of(rng.normal(0, [1, 10], (5000, 2)))
    one, ten = shape.distances(np.array([[1.0, 0.0], [0.0, 10.0]]))
    assert one == pytest.approx(ten, rel=0.1)
    few = Gaussian.of(rng.normal(0, 1, (3, 16)))
    assert np.isfinite(few.distances(rng.normal(0, 1, (4, 16)))).all()
    assert np.isfinite(Gaussian.of(rng.normal(0, 1, (1, 4))).distances(rng.normal(0, 1, (2, 4)))).all()


def test_nearest_is_the_euclidean_distance() -> None:
    known, queries = rng.normal(0, 1, (300, 5)), rng.normal(0, 1, (7, 5))
    expected = np.sqrt(((queries[:, None] - known[None]) ** 2).sum(-1)).min(1)
    np.testing.assert_allclose(nearest(queries, known, chunk=3), expected, atol=1e-3)


def test_copies_are_found_and_new_pictures_are_not() -> None:
    known, held_out = rng.normal(0, 1, (400, 12)), rng.normal(0, 1, (200, 12))
    new = rng.normal(0, 1, (100, 12))
    assert copied(new, held_out, known) == 0
    memorised = np.concatenate([known[:25] + 1e-3, new[:75]])
    assert copied(memorised, held_out, known) == pytest.approx(0.25)


def test_real_pictures_score_evenly_and_strange_ones_nothing() -> None:
    real = np.sort(rng.gamma(4, 1, 999))
    assert as_good(real, real).mean() == pytest.approx(0.5, abs=0.01)
    assert as_good(np.array([0.0, np.median(real), 1e6]), real) == pytest.approx([1, 0.5, 0], abs=0.01)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3)])
def test_a_grid_shows_every_picture(shape: tuple[int, ...]) -> None:
    pictures = [np.full(shape, 40 * number, dtype=np.uint8) for number in range(1, 6)]
    page = Image.open(io.BytesIO(grid(pictures, [str(n) for n in range(5)], columns=4))).convert("L")
    colours = set(np.asarray(page).ravel().tolist())
    assert {40, 80, 120, 160, 200} <= colours
