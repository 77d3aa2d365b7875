"""The labels of Fashion-MNIST as a `catalogue`; `fashion_mnist` reads the photos."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, fashion_mnist

TABLE = "catalogue"
KINDS = (
    *("T-shirt", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""The authors' classes, 0 to 9."""


def matches(folder: Path) -> bool:
    """Whether the authors' training labels lie in `folder`."""
    return (folder / fashion_mnist.LABELS).is_file()


def read(folder: Path) -> RawRows:
    """One product a photo: its kind is title and category."""
    kinds = [KINDS[label] for label in fashion_mnist.idx(folder / fashion_mnist.LABELS)]
    names = fashion_mnist.product_ids(len(kinds))
    frame = pd.DataFrame({"product_id": names, "title": kinds, "category": kinds, "image_id": names, "language": "en"})
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))
