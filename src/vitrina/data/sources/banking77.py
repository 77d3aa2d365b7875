"""Banking77 (Casanueva et al., 2020, arXiv 2003.04807): 77 intents of a bank's customers, in English."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.artifacts import read_json
from vitrina.data.sources import RawRows, files
from vitrina.data.splits import assign_splits
from vitrina.errors import DataError

TABLE = "messages"
DEVELOPMENT = {"validation": 0.1}
"""The authors publish no development split: a tenth of their train file is held out by hash."""


def matches(folder: Path) -> bool:
    """Whether the authors' two files are there."""
    return (folder / "categories.json").is_file() and (folder / "train.csv").is_file()


def read(folder: Path) -> RawRows:
    """`train.csv` and, where present, `test.csv`: text, category. Row numbers run through both."""
    parts = []
    for name in ("train", "test"):
        if (folder / f"{name}.csv").is_file():
            part = files.read(folder / f"{name}.csv").frame
            if list(part.columns) != ["text", "category"]:
                raise DataError(f"{folder / name}.csv must have the columns text, category.")
            parts.append(part.assign(split="" if name == "train" else "test"))
    if not parts:
        raise DataError(f"{folder} has no train.csv.")
    rows = pd.concat(parts, ignore_index=True).rename(columns={"category": "intent"})
    _check_labels(rows, folder / "categories.json")
    given_test = rows["split"] == "test"
    development = assign_splits(rows[~given_test], ["text"], DEVELOPMENT, seed=0)
    rows["split"] = rows["split"].where(given_test, development)
    return RawRows(rows.assign(language="en", domain="banking").set_axis(range(1, len(rows) + 1)))


def _check_labels(rows: pd.DataFrame, categories: Path) -> None:
    unknown = set(rows["intent"]) - set(read_json(categories)) if categories.is_file() else set()
    if unknown:
        raise DataError(f"{categories} does not list {', '.join(sorted(unknown)[:5])}.")
