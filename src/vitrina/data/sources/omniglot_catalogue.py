"""The drawings of Omniglot as a `catalogue`: alphabet and character are the category; `omniglot` reads the images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.data.sources import RawRows, omniglot

TABLE = "catalogue"
matches = omniglot.matches


def read(folder: Path) -> RawRows:
    """One product a drawing: its category is `Alphabet > characterNN`."""
    names = [name for name, _ in omniglot.drawings(folder)]
    parts = [name.split("/")[:2] for name in names]
    frame = pd.DataFrame(
        {
            "product_id": names,
            "title": [" ".join(part).replace("_", " ") for part in parts],
            "category": [PATH_SEPARATOR.join(part) for part in parts],
            "image_id": names,
        }
    )
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))
