"""Generated pictures against real ones, by the features of a network: likeness, distance of a whole set, copies."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RIDGE = 1e-3
"""Added to the variances, as a share of their mean: few photos leave directions without any."""

NEAR = 0.5
"""A picture nearer to a training photo than this share of what held-out photos are (their 1% quantile) is a copy."""


@dataclass(frozen=True)
class Gaussian:
    """Features of a set of pictures as a normal distribution; mean (n,), covariance (n, n) float64."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Gaussian:
        """Of (pictures, n) features, two or more."""
        exact = features.astype(np.float64)
        covariance = np.cov(exact, rowvar=False) if len(exact) > 1 else np.eye(exact.shape[1])
        return cls(exact.mean(0), covariance)

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of each picture: how unlike the set it is."""
        size = len(self.mean)
        ridge = RIDGE * max(np.trace(self.covariance) / size, 1e-12)
        away = features.astype(np.float64) - self.mean
        solved = np.linalg.solve(self.covariance + ridge * np.eye(size), away.T).T
        return np.sqrt(np.maximum((away * solved).sum(1), 0))


def frechet(left: np.ndarray, right: np.ndarray) -> float:
    """Fréchet distance of two sets of features as normal distributions (FID, Heusel et al., 2017).

    Comparable only between sets of the same sizes and features: small sets are biased upwards.
    """
    from scipy.linalg import sqrtm

    one, other = Gaussian.of(left), Gaussian.of(right)
    root = sqrtm(one.covariance @ other.covariance)
    spread = np.trace(one.covariance) + np.trace(other.covariance) - 2 * np.trace(np.real(root))
    return float(max(0.0, ((one.mean - other.mean) ** 2).sum() + spread))


def nearest(queries: np.ndarray, known: np.ndarray, chunk: int = 256) -> np.ndarray:
    """Euclidean distance of each query to the nearest of `known`; both (rows, n)."""
    known = known.reshape(len(known), -1).astype(np.float32)
    squares = (known**2).sum(1)
    found = []
    for start in range(0, len(queries), chunk):
        some = queries[start : start + chunk].reshape(-1, known.shape[1]).astype(np.float32)
        gaps = (some**2).sum(1)[:, None] - 2 * some @ known.T + squares
        found.append(np.sqrt(np.maximum(gaps.min(1), 0)))
    return np.concatenate(found)


def copied(generated: np.ndarray, held_out: np.ndarray, known: np.ndarray) -> float:
    """Share of generated pictures that lie suspiciously near a training picture.

    Near is less than `NEAR` of the distance that only 1% of real, held-out pictures fall below: other photos of similar
    things are that near to a training photo by themselves; a memorised one is far nearer.
    """
    threshold = NEAR * float(np.quantile(nearest(held_out, known), 0.01))
    return float((nearest(generated, known) < threshold).mean())


def as_good(distances: np.ndarray, sorted_real: np.ndarray) -> np.ndarray:
    """Share of real pictures at least as far from the typical as each: 0.5 is a median photo, 0 unlike any of them."""
    farther = len(sorted_real) - np.searchsorted(sorted_real, distances, side="left")
    return farther / max(1, len(sorted_real))


def grid(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8, scale: int = 1) -> bytes:
    """PNG of uint8 (side, side) or (side, side, 3) pictures in rows with a caption below each."""
    from PIL import Image, ImageDraw

    side = pictures[0].shape[0] * scale if pictures else 1
    cell, line = max(side, 72) + 8, 14
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * cell, max(1, rows) * (cell + line)), "white")
    pen = ImageDraw.Draw(page)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = number % columns * cell, number // columns * (cell + line)
        shown = Image.fromarray(picture).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
        page.paste(shown, (left + (cell - side) // 2, top + 4))
        pen.text((left + 4, top + cell - 2), caption[: cell // 6], fill="black")
    content = io.BytesIO()
    page.save(content, "PNG")
    return content.getvalue()
