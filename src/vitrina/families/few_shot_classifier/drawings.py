"""Drawn characters as training material: invented ones, turned ones, and the ways a hand varies them.

A small set of drawings holds too few classes to learn what makes two drawings the same character. Three sources add to
them: characters invented stroke by stroke, real ones rotated and mirrored (both are new classes), and random
deformation of every drawing. Images are (drawings, side, side), ink is high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

POINTS = 64
"""Points along one stroke."""


@dataclass(frozen=True)
class Stroke:
    """A pen movement: pieces of constant curvature, with a corner before each; angles in radians.

    Attributes:
        heading: direction at the start.
        lengths, turns, corners: (pieces,) length of a piece, how far it bends, the corner in front of it.
        joint: (stroke, part of its length) of the earlier point where it starts; None: it floats.
        offset: (2,) what is added to that start.
    """

    heading: float
    lengths: np.ndarray
    turns: np.ndarray
    corners: np.ndarray
    joint: tuple[int, float] | None
    offset: np.ndarray


def invented(classes: int, drawings: int, side: int, seed: int) -> np.ndarray:
    """New characters, each drawn several times; uint8 (classes, drawings, side, side)."""
    rng = np.random.default_rng(seed)
    pages = [_render(_drawn(_character(rng), drawings, rng), side) for _ in range(classes)]
    return np.stack(pages)


def _character(rng: np.random.Generator) -> list[Stroke]:
    return [_stroke(number, rng) for number in range(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1]))]


def _stroke(number: int, rng: np.random.Generator) -> Stroke:
    """The first strokes are longer and more winding; many later ones start on an earlier one, as in most scripts."""
    pieces = int(
        rng.choice([1, 2, 3, 4, 6, 8], p=[0.2, 0.2, 0.2, 0.2, 0.15, 0.05]) if number == 0 else rng.integers(1, 4)
    )
    straight = rng.random(pieces) < 0.35
    turns = np.where(straight, 0.0, rng.choice([-1, 1], pieces) * rng.uniform(0.5, 4.5, pieces))
    corners = np.where(rng.random(pieces) < 0.45, rng.choice([-1, 1], pieces) * rng.uniform(0.7, 2.8, pieces), 0.0)
    joined = number > 0 and rng.random() < 0.65
    return Stroke(
        heading=float(rng.choice(8) * np.pi / 4 + rng.normal(0, 0.15)),
        lengths=rng.uniform(0.4, 1.2, pieces) * (1.0 if number == 0 else 0.8),
        turns=turns,
        corners=corners,
        joint=(int(rng.integers(number)), float(rng.choice([0.0, 0.5, 1.0, rng.random()]))) if joined else None,
        offset=rng.normal(0, 0.05 if joined else 0.5, 2),
    )


def _drawn(character: list[Stroke], drawings: int, rng: np.random.Generator) -> np.ndarray:
    """Pen positions of a character drawn by several hands: (drawings, strokes * POINTS, 2), in any unit."""
    done: list[np.ndarray] = []
    for stroke in character:
        start = stroke.offset + rng.normal(0, 0.06, (drawings, 2))
        if stroke.joint is not None:
            earlier, part = stroke.joint
            start = start + done[earlier][:, round(part * (POINTS - 1))]
        done.append(start[:, None] + _path(stroke, drawings, rng))
    return np.concatenate(done, axis=1)


def _path(stroke: Stroke, drawings: int, rng: np.random.Generator) -> np.ndarray:
    """One stroke from its start, with the lengths and angles of each hand: (drawings, POINTS, 2)."""
    shape = (drawings, len(stroke.lengths))
    lengths = stroke.lengths * np.exp(rng.normal(0, 0.17, shape))
    turns = stroke.turns * np.exp(rng.normal(0, 0.15, shape)) + rng.normal(0, 0.15, shape)
    corners = stroke.corners + rng.normal(0, 0.15, shape)
    piece = np.minimum((np.arange(POINTS) * shape[1]) // POINTS, shape[1] - 1)
    share = np.bincount(piece, minlength=shape[1])[piece]
    first = np.concatenate([[True], piece[1:] != piece[:-1]])
    steps = turns[:, piece] / share + np.where(first, corners[:, piece], 0.0)
    heading = stroke.heading + rng.normal(0, 0.12, (drawings, 1)) + np.cumsum(steps, axis=1)
    moves = np.stack([np.cos(heading), np.sin(heading)], axis=-1) * (lengths[:, piece] / share)[..., None]
    return np.cumsum(moves, axis=1)


def _render(pens: np.ndarray, side: int) -> np.ndarray:
    """Ink on paper, scaled to fill it as `images.framed` does: (drawings, points, 2) → uint8 (drawings, side, side)."""
    pens = np.stack([(pens[:, :-1] * (1 - t) + pens[:, 1:] * t) for t in (0.0, 0.25, 0.5, 0.75)], axis=2)
    pens = np.delete(pens, np.arange(POINTS - 1, pens.shape[1], POINTS), axis=1).reshape(len(pens), -1, 2)
    low, high = pens.min(1, keepdims=True), pens.max(1, keepdims=True)
    span = (high - low).max(2, keepdims=True).clip(1e-6)
    spots = torch.from_numpy(((pens - (low + high) / 2) / span * 0.84 + 0.5) * (side - 1)).float()
    corner = spots.floor()
    part = spots - corner
    paper = torch.zeros(len(pens), side * side)
    for x in (0, 1):
        for y in (0, 1):
            weight = (part[..., 0] - (1 - x)).abs() * (part[..., 1] - (1 - y)).abs()
            cell = (corner[..., 1].long() + y) * side + corner[..., 0].long() + x
            paper.scatter_reduce_(1, cell, weight, "amax")
    soft = torch.tensor([0.25, 0.5, 0.25])
    ink = F.max_pool2d((paper.view(-1, 1, side, side) * 1.6).clamp(0, 1), 3, 1, 1)
    ink = F.conv2d(ink, (soft[:, None] * soft)[None, None], padding=1)
    return (ink * 255).byte().squeeze(1).numpy()


def oriented(images: np.ndarray, turn: int) -> np.ndarray:
    """Images (…, side, side) in orientation 0-7: quarter turns, from 4 on also mirrored."""
    turned = np.rot90(images, turn % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if turn >= 4 else turned)


def varied(images: Tensor, strength: float) -> Tensor:
    """Each image as another hand would draw it: moved, turned, stretched, bent, with a thicker or thinner pen.

    Args:
        images: (batch, channels, side, side) float 0–1; `torch.manual_seed` decides the variation.
        strength: 1 is what drawings of one character by different people need; 0 changes nothing.
    """
    if not strength:
        return images
    batch, _, side, _ = images.shape
    angle, shear = torch.randn(2, batch) * strength * torch.tensor([[0.16], [0.16]])
    stretch = torch.exp(torch.randn(2, batch) * 0.13 * strength)
    shift = torch.randn(batch, 2) * 0.05 * strength
    cos, sin = angle.cos(), angle.sin()
    rows = [cos * stretch[0], (shear - sin) * stretch[1], shift[:, 0], sin * stretch[0], cos * stretch[1], shift[:, 1]]
    grid = F.affine_grid(torch.stack(rows, 1).view(batch, 2, 3), [batch, 1, side, side], align_corners=False)
    coarse = torch.randn(batch, 2, 6, 6) * 0.045 * strength
    bend = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
    moved = F.grid_sample(images, grid + bend.permute(0, 2, 3, 1), align_corners=False)
    pen = torch.rand(batch)
    thick, thin = pen < 0.25 * strength, pen > 1 - 0.15 * strength
    moved[thick] = F.max_pool2d(moved[thick], 3, 1, 1)
    moved[thin] = moved[thin] ** 1.8
    return moved
