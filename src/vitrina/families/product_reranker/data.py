"""Catalogue and pairs → splits, and splits → pairs of products."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.product_reranker.configuration import Options
from vitrina.families.product_reranker.reading import COLUMNS, SIDES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
SPLITS = ("train", "validation", "test")
YES, NO = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no"}


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Write the pairs of each split with both products beside each other; see `DataModule.prepare`.

    Splits the table states are kept. What it does not state is cut by a hash of the left title, so that a product held
    out once stays held out. Without test pairs the validation pairs serve for both.

    Raises:
        DataError: when a pair names an unknown product, a split ends empty, or one lacks matches or other pairs.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vitrina.data.splits import assign_splits

    options = cast(Options, options)
    pairs = pd.read_parquet(tables["pairs"])
    catalogue = pq.read_table(tables["catalogue"], columns=list(COLUMNS))
    sides = [_side(catalogue, pairs[f"{name}_id"], name) for name in SIDES]
    titles = pairs.assign(left_title=sides[0].column("left_title").to_pylist())
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    splits = assign_splits(titles, ["left_title"], fractions, seed).to_numpy()
    names = row_ids(pairs["left_id"], pairs["right_id"])
    rows = pa.table({"row_id": names, "match": pairs["match"].astype(bool).to_numpy()})
    for side in sides:
        for name in side.column_names:
            rows = rows.append_column(name, side.column(name))
    parts = {name: rows.filter(pa.array(splits == name)) for name in SPLITS}
    if not len(parts["test"]):
        parts["test"] = parts["validation"]
    for name, part in parts.items():
        _check(part.column("match").to_pylist(), name)
        pq.write_table(part, output / f"{name}.parquet")


def _side(catalogue: pa.Table, ids: pd.Series, side: str) -> pa.Table:
    """The products of `ids`, one a pair, in columns that begin with the side's name."""
    positions = {name: row for row, name in enumerate(catalogue.column("product_id").to_pylist())}
    rows = ids.map(positions)
    if rows.isna().any():
        unknown = ids[rows.isna()]
        raise DataError(f"{len(unknown):,} pairs name a product that the catalogue lacks: {unknown.iloc[0]}.")
    taken = catalogue.take(rows.astype("int64").to_numpy())
    return taken.rename_columns([f"{side}_{name}" for name in catalogue.column_names])


def _check(matches: list[bool], split: str) -> None:
    if not matches:
        raise DataError(f"The {split} split is empty: more pairs are needed.")
    if len(set(matches)) < 2:
        kind = "matches" if matches[0] else "pairs that are no match"
        raise DataError(f"The {split} split holds only {kind}: both kinds are needed.")


def row_ids(left: pd.Series, right: pd.Series) -> list[str]:
    """A stable name of each pair, so that two models can be compared pair by pair."""
    joined = (f"{one}\x1f{other}".encode() for one, other in zip(left, right, strict=True))
    return [hashlib.sha1(text).hexdigest()[:16] for text in joined]


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Pairs to evaluate: a split of a prepared folder, or one file (CSV, JSON, Parquet).

    A file has `left_title`, `right_title`, `match` (true/false) and what is known of `left_brand`, `right_price` …

    Raises:
        UsageError: when there is no such file or split.
        DataError: when a column is missing, a label cannot be read, or no row is left.
    """

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    frame = read_frame(path)
    needed = ("left_title", "right_title", "match")
    missing = [column for column in needed if column not in frame]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing; it has {', '.join(map(str, frame.columns))}.")
    frame = frame.dropna(subset=list(needed)).reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{path} has no row with both titles and match.")
    frame["match"] = [_flag(value, path) for value in frame["match"]]
    return frame.assign(row_id=row_ids(frame["left_title"], frame["right_title"]))


def _flag(value: object, path: Path) -> bool:
    text = str(value).strip().lower()
    if text not in YES | NO:
        raise DataError(f"{path}: match is {value!r}, neither true nor false.")
    return text in YES
