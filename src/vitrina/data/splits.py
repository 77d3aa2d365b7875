"""Train, validation and test by a hash of content: a row held out once stays held out in every later data version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from vitrina.errors import UsageError

SEPARATOR = "\x1f"
TRAIN = "train"


def assign_splits(
    frame: pd.DataFrame, key_columns: Sequence[str], fractions: Mapping[str, float], seed: int
) -> pd.Series:
    """The split of every row of `frame`, by the content of `key_columns` alone.

    Rows with equal content (case and repeated spaces aside) are never parted; to keep a group together, such as all the
    rows of a user, give the group's column. A non-empty `split` column is respected, and rows of equal content without
    one follow it (the split named last in `fractions` wins where published splits overlap).

    Args:
        fractions: held-out split → its share of the contents; what remains is `train`. The split named last takes the
            lowest hashes: changing the share of an earlier one moves none of its rows.

    Raises:
        UsageError: when a share is negative, or nothing remains to train on.
    """
    if sum(fractions.values()) >= 1 or min(fractions.values(), default=0) < 0:
        raise UsageError(f"Held-out shares must be 0 or more and sum to less than 1, got {dict(fractions)}.")
    content = normalised(frame, key_columns)
    drawn = content.map({text: _draw(text, fractions, seed) for text in content.unique()}).astype(object)
    if "split" not in frame:
        return drawn.rename("split")
    given = frame["split"].fillna("").astype(object)
    ranks = {name: rank for rank, name in enumerate(fractions)}
    named = pd.DataFrame({"content": content, "split": given})[given != ""]
    named = named.assign(rank=named["split"].map(ranks).fillna(-1)).sort_values("rank", kind="stable")
    following = content.map(named.groupby("content")["split"].last())
    return given.where(given != "", following.fillna(drawn)).rename("split")


def read_split(folder: Path, split: str) -> pd.DataFrame:
    """A split of a prepared folder.

    Raises:
        UsageError: when the folder has no such split.
    """
    part = folder / f"{split}.parquet"
    if not part.is_file():
        raise UsageError(f"{folder} has no {part.name}: it is not a prepared folder (see vitrina prepare).")
    return pd.read_parquet(part)


def normalised(frame: pd.DataFrame, key_columns: Sequence[str]) -> pd.Series:
    """The content of `key_columns` as one lower-case string a row, spaces collapsed."""
    # NUL counts as a space: pandas takes a string that holds one for the part before it.
    plain = [frame[name].astype(str).str.lower().str.replace("\x00", " ", regex=False) for name in key_columns]
    parts = [values.str.split().str.join(" ") for values in plain]
    joined = [SEPARATOR.join(values) for values in zip(*parts, strict=True)]
    return pd.Series(joined, index=frame.index, dtype=object)


def _draw(content: str, fractions: Mapping[str, float], seed: int) -> str:
    digest = hashlib.blake2b(f"{seed}{SEPARATOR}{content}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    reached = 0.0
    for name in reversed(list(fractions)):
        reached += fractions[name]
        if position < reached:
            return name
    return TRAIN
