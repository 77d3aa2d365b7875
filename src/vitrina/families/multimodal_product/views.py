"""A trained model's logits of rows as it sees them by text alone, by photo alone, and by both."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vitrina.families.multimodal_product.batches import ProductRows, collate
from vitrina.families.multimodal_product.modeling import MultimodalProduct

VIEWS = ("text", "photo", "both")
BATCH = 64


def view_logits(model: MultimodalProduct, rows: ProductRows, view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers that have what `view` needs, their logits without the bag, and the bag's own (0 without one)."""
    kept = np.array([number for number in range(len(rows)) if _has(rows, number, view)], dtype=np.int64)
    own, bags = [], []
    with torch.inference_mode():
        for start in range(0, len(kept), BATCH):
            batch = collate([_seen_as(rows[int(number)], view) for number in kept[start : start + BATCH]])
            inputs = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
            ngrams = inputs.pop("ngram_ids", None)
            logits = model(**inputs).logits
            own.append(logits.cpu().numpy())
            has_bag = model.lexical is not None and ngrams is not None
            bags.append(model.lexical_logits(ngrams).cpu().numpy() if has_bag else np.zeros_like(own[-1]))
    columns = sum(head.width for head in model.heads)
    empty = np.zeros((0, columns), dtype=np.float32)
    return kept, np.concatenate([empty, *own]), np.concatenate([empty, *bags])


def _has(rows: ProductRows, number: int, view: str) -> bool:
    has_text, has_photo = bool(rows.ids[number]), rows.images[number] is not None
    return {"text": has_text, "photo": has_photo, "both": has_text and has_photo}[view]


def _seen_as(row: dict[str, Any], view: str) -> dict[str, Any]:
    if view == "text":
        return row | {"image": None}
    return row | ({"input_ids": [], "ngram_ids": []} if view == "photo" else {})
