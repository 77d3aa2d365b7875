"""Pictures of an evaluation, as PNG bytes; matplotlib draws them without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

SHOWN = 30


def confusion(truth: Sequence[str], predicted: Sequence[str], *, title: str, shown: int = SHOWN) -> bytes:
    """The confusion matrix of the most confused classes, rows normalised: which class is taken for which.

    Args:
        shown: classes drawn, those with most errors first; the others are left out.
    """
    from matplotlib.figure import Figure

    labels = most_confused(truth, predicted, shown)
    table = counts(truth, predicted, labels)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = 3 + 0.28 * len(labels)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    rows = [f"{name} ({number})" for name, number in zip(labels, table.sum(1), strict=True)]
    axes.set_yticks(range(len(labels)), rows, fontsize=7)
    for row, column in zip(*np.nonzero(shares >= 0.05), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=6, color=colour)
    axes.set_xlabel("predicted, % of the row")
    axes.set_ylabel("true (rows)")
    axes.set_title(title, fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()


def most_confused(truth: Sequence[str], predicted: Sequence[str], shown: int) -> list[str]:
    """The classes that take part in most errors, in alphabetical order; then the most frequent ones."""
    taken: dict[str, tuple[int, int]] = {}
    for true, said in zip(truth, predicted, strict=True):
        for name in {true, said}:
            errors, rows = taken.get(name, (0, 0))
            taken[name] = (errors + (true != said), rows + 1)
    ranked = sorted(taken, key=lambda name: (-taken[name][0], -taken[name][1], name))
    return sorted(ranked[:shown])


def counts(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """(labels, labels) int: true class by predicted class; rows with another class on either side are left out."""
    place = {name: number for number, name in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), dtype=int)
    for true, said in zip(truth, predicted, strict=True):
        if true in place and said in place:
            table[place[true], place[said]] += 1
    return table
