"""E2E NLG (Novikova et al., 2017): restaurants as features and crowd-written descriptions, as a `catalogue`.

Every pair of a meaning representation and a reference is a product: `name[…]` is the title, the other slots are the
attributes. The names of the products say which file they come from: `train-1`, `dev-1` …
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, files

TABLE = "catalogue"
FILES = {"train": "train.csv.gz", "dev": "devset.csv.gz"}
CATEGORY = "Food and drink > Restaurants"
_SLOT = re.compile(r"\s*([^\[,]+?)\s*\[([^\]]*)\]")


def matches(folder: Path) -> bool:
    """Whether both files of the set lie in `folder`."""
    return all((folder / name).is_file() for name in FILES.values())


def read(folder: Path) -> RawRows:
    """Both files; the index counts on from the first to the second."""
    parts = []
    for part, name in FILES.items():
        rows = files.read(folder / name).frame
        slots = [parse(text) for text in rows["mr"]]
        parts.append(
            pd.DataFrame(
                {
                    "product_id": [f"{part}-{number}" for number in range(1, len(rows) + 1)],
                    "title": [each.get("name") for each in slots],
                    "description": rows["ref"].to_numpy(),
                    "category": CATEGORY,
                    "attributes": [{k: v for k, v in each.items() if k != "name"} or None for each in slots],
                    "language": "en",
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def parse(text: str) -> dict[str, str]:
    """`name[The Eagle], food[French]` as a mapping."""
    return {name: value for name, value in _SLOT.findall(text) if value}
