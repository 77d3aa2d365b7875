"""How much of what the tower adds to the biases is kept: the share that validation reviews ask for."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from vitrina.families.fashion_recommender.batches import Collator
from vitrina.families.fashion_recommender.modeling import FashionRecommender

TOGETHER = 256


def best_share(model: FashionRecommender, collator: Collator) -> float:
    r"""$s = \sum (y - b) f / \sum f^2$ less one standard error, within 0–1.

    b is what the biases say, f what the tower adds, y the stars. The standard error keeps out what a few hundred
    reviews cannot tell from chance (the one-standard-error rule, Breiman et al., 1984): where photos and words tell
    nothing that holds on later reviews, the model says what the biases say.
    """
    truth = collator.store.rows["validation"].stars
    share = cast(torch.Tensor, model.tower.share)
    told = {}
    for value in (0.0, 1.0):
        share.fill_(value)
        told[value] = _stars(model, collator, len(truth))
    added, left = told[1.0] - told[0.0], truth - told[0.0]
    power = max(float(added @ added), 1e-9)
    best = float(left @ added) / power
    error = float(np.std(left - best * added)) / power**0.5
    return float(np.clip(best - error, 0, 1))


def _stars(model: FashionRecommender, collator: Collator, rows: int) -> np.ndarray:
    """(rows,) stars of the validation reviews."""
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, rows, TOGETHER):
            items = [{"split": "validation", "pair": i, "photo": 0} for i in range(start, min(start + TOGETHER, rows))]
            batch: dict[str, Any] = {name: value.to(model.device) for name, value in collator(items).items()}
            batch["category"] = torch.full_like(batch["category"], -100)
            parts.append(model(**batch).rating.float().cpu().numpy())
    return np.concatenate(parts)
