"""Reading held-out rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """The rows of `<path>/<split>.csv`: row_id, text, intent, language."""
    return pd.read_csv(path / f"{split}.csv", dtype=str)
