"""The layout of jianguoz/Few-Shot-Intent-Detection: `<split>/seq.in` and `<split>/label`, line by line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.errors import DataError

SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def labels(folder: Path) -> set[str]:
    """The labels of the train split; empty when `folder` has another layout."""
    file = folder / "train" / "label"
    if not file.is_file() or not (folder / "train" / "seq.in").is_file():
        return set()
    return set(file.read_text(encoding="utf-8", errors="replace").split())


def read_lines(folder: Path) -> pd.DataFrame:
    """text, intent, split of every split that is there, numbered from 1 through all of them.

    Raises:
        DataError: when there is no split, or its two files differ in length.
    """
    parts = [_split(folder / source, split) for source, split in SPLITS.items() if (folder / source).is_dir()]
    if not parts:
        raise DataError(f"{folder} has none of the folders {', '.join(SPLITS)} with seq.in and label.")
    rows = pd.concat(parts, ignore_index=True)
    return rows.set_axis(range(1, len(rows) + 1))


def _split(folder: Path, split: str) -> pd.DataFrame:
    columns = {}
    for name, column in (("seq.in", "text"), ("label", "intent")):
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} does not exist.")
        text = (folder / name).read_bytes().decode(errors="replace")
        columns[column] = text.removesuffix("\n").split("\n")
    texts, intents = columns["text"], columns["intent"]
    if len(texts) != len(intents):
        raise DataError(f"{folder}: seq.in has {len(texts):,} lines, label has {len(intents):,}.")
    return pd.DataFrame({**columns, "split": split}, dtype=object)
