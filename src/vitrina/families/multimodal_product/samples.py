"""Products the model got right and wrong, as one picture for people."""

from __future__ import annotations

import io
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.families.layers import photos

if TYPE_CHECKING:
    import pandas as pd

ROWS, ACROSS = 12, 6
SIDE = 96


def sample_table(predictor: Any, examples: pd.DataFrame) -> bytes:
    """PNG: above, products whose category is right, the surest of each; below, wrong ones, the surest first."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = examples[examples["category"].notna()].reset_index(drop=True)
    said = predictor.predict_frame(known)
    right = (said["label"] == known["category"]).to_numpy(dtype=bool)
    order = np.argsort(-said["confidence"].to_numpy())
    surest = said["label"][order[right[order]]].drop_duplicates().index  # one of each category, not twelve black shoes
    chosen = [*surest[:ROWS], *order[~right[order]][:ROWS]]
    figure = Figure(figsize=(2.2 * ACROSS, 10), dpi=80)
    FigureCanvasAgg(figure)
    for place, row in enumerate(chosen):
        spot = place if right[row] else ROWS + place - int(right[chosen].sum())
        axes = figure.add_subplot(2 * ROWS // ACROSS, ACROSS, spot + 1)
        axes.imshow(photos.read(known["image"][row], SIDE).transpose(1, 2, 0))
        axes.set_axis_off()
        told = said["label"][row].split(PATH_SEPARATOR)[-1]
        true = known["category"][row].split(PATH_SEPARATOR)[-1]
        mark = f"{told} {said['confidence'][row]:.0%}" + ("" if right[row] else f"\nis: {true}")
        title = shorten(known["title"][row], 30, placeholder="…")
        axes.set_title(f"{title}\n{mark}", fontsize=7, color="black" if right[row] else "firebrick")
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
