"""The section of a recommender's card that sets it beside simple ones, and says who wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.evaluation.recommendation import interval


@dataclass(frozen=True)
class Compared:
    """One recommender on the compared rows.

    Attributes:
        ndcg, recall: (rows,) nDCG@10 and Recall@20.
        seconds: it took to fit; None where the card says elsewhere how long.
        own: the model itself or a part of it; others are the simple ones it has to beat.
    """

    name: str
    ndcg: np.ndarray
    recall: np.ndarray
    seconds: float | None = None
    own: bool = False


def best_simple(compared: Sequence[Compared]) -> Compared:
    """The best of those that are not the model's own."""
    return max((each for each in compared if not each.own), key=lambda each: float(each.ndcg.mean()))


def comparison_section(compared: Sequence[Compared], rows: int, about: str = "") -> str:
    """Markdown: the first one against the best of the simple ones, with a bootstrapped interval, and the table.

    `about` says what the `rows` were, where it is more than that they chose the model's weights.
    """
    first, best = compared[0], best_simple(compared)
    low, high = (100 * bound for bound in interval(first.ndcg - best.ndcg))
    gain = 100 * float((first.ndcg - best.ndcg).mean())
    numbers = f"{gain:+.2f} points of nDCG@10 (95% interval {low:+.2f} to {high:+.2f})"
    if low > 0:
        verdict = f"This model beats the best simple recommender, {best.name}: {numbers}."
    elif high < 0:
        verdict = f"**This model does not beat the best simple recommender, {best.name}**: {numbers}."
    else:
        verdict = f"**This model is not shown to beat the best simple recommender, {best.name}**: {numbers}."
    lines = [
        f"| {each.name} | {each.ndcg.mean():.4f} | {each.recall.mean():.4f} | {_seconds(each.seconds)} |"
        for each in sorted(compared, key=lambda each: -float(each.ndcg.mean()))
    ]
    about = about or f"Measured on the {rows:,} validation rows that chose the model's weights"
    head = [
        "## Comparison with simple recommenders",
        "",
        f"{verdict} {about}; an evaluation on the test rows is what counts.",
        "",
        "| recommender | nDCG@10 | Recall@20 | seconds to fit |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *lines, ""])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
