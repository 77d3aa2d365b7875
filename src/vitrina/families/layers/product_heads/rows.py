"""Tables of products and reviews → splits, and files → rows to evaluate.

A row is a product (title, description, …) or a review (`review`, with its rating); a label nobody gave is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vitrina.errors import DataError
from vitrina.families.layers.product_heads import targets

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
TEXTS = ("row_id", "product_id", "title", "description", "brand", "category", "currency", "language", "review")
NUMBERS = ("price", "quality", "rating", "recommended")


class SplitOptions(targets.HeadOptions, Protocol):
    """What a preset says of heads and held-out rows."""

    validation_fraction: float
    test_fraction: float


def split_rows(tables: Mapping[str, Path], options: SplitOptions, seed: int) -> dict[str, pd.DataFrame]:
    """Products split by their title and reviews by their text, from the tables `catalogue`, `reviews` or both.

    Without test rows (`test_fraction: 0`) the validation rows serve for both.

    Raises:
        DataError: when a split ends empty, or nothing in the training rows can be told apart.
    """
    import pandas as pd

    from vitrina.data.splits import assign_splits

    found = {name: pd.read_parquet(tables[name]) for name in ("catalogue", "reviews") if name in tables}
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    parts = []
    if "catalogue" in found:
        rows = targets.product_rows(found["catalogue"], found.get("reviews"))
        parts.append(rows.assign(split=assign_splits(rows, ["title"], fractions, seed)))
    if "reviews" in found:
        rows = targets.review_rows(found["reviews"])
        parts.append(rows.assign(split=assign_splits(rows, ["review"], fractions, seed)))
    rows = pd.concat(parts, ignore_index=True)
    splits = {name: rows[rows["split"] == name] for name in SPLITS}
    if splits["test"].empty:
        splits["test"] = splits["validation"]
    for name, part in splits.items():
        if part.empty:
            raise DataError(f"The {name} split is empty: more labelled products or reviews are needed.")
    if not targets.choose_heads(splits["train"], options):
        raise DataError("Nothing to learn: no category, attribute or rating has two or more values in training.")
    return splits


def write_rows(rows: pd.DataFrame, path: Path, pictures: bool = False) -> None:
    """Write rows with every column of a prepared file, whichever of them `rows` has; `pictures`: also `image`."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: pa.string() for name in TEXTS} | {name: pa.float64() for name in NUMBERS}
    kinds |= {"image": pa.binary()} if pictures else {}
    schema = pa.schema([*kinds.items(), ("attributes", pa.map_(pa.string(), pa.string()))])
    stated = [list(one.items()) or None for one in targets.stated_attributes(rows)]
    whole = rows.assign(attributes=pd.Series(stated, rows.index, dtype=object)).reindex(columns=schema.names)
    plain = whole.astype(dict.fromkeys((*TEXTS, "attributes"), object))
    pq.write_table(pa.Table.from_pandas(plain, schema, preserve_index=False), path)


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to evaluate: a split of a prepared folder, or one file (CSV, JSON, Parquet) of products or reviews.

    A file has `title` and what is known of `category`, `attributes` (a mapping, as JSON text in a CSV), description …;
    or `review` with `rating` (1–5) and `recommended` (0/1). Catalogue and reviews tables are such files too.

    Raises:
        UsageError: when there is no such file or split.
        DataError: when a column is missing or cannot be read.
    """
    import pandas as pd

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    frame = read_frame(path)
    if {"text", "rating", "review_id"} <= set(frame.columns):
        frame = targets.review_rows(frame)
    if "title" not in frame and "review" not in frame:
        raise DataError(f"{path}: column title is missing; it has {', '.join(map(str, frame.columns))}.")
    for name in NUMBERS:
        if name in frame:
            frame[name] = pd.to_numeric(frame[name].replace({"true": 1, "false": 0}), errors="coerce").astype(float)
    if "attributes" in frame:
        frame["attributes"] = [_attributes(value, path) for value in frame["attributes"]]
    if "category" in frame:
        frame["category"] = [targets.category_path(value) for value in frame["category"]]
    numbers = pd.Series([f"row {number}" for number in range(1, len(frame) + 1)])
    if "row_id" not in frame:
        unique = "product_id" in frame and frame["product_id"].is_unique
        frame["row_id"] = frame["product_id"].astype(str) if unique else numbers
    if "title" not in frame:
        frame["title"] = None
    return frame


def _attributes(value: Any, path: Path) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError as error:
        raise DataError(f"{path}: attributes {value[:80]!r} are not a JSON mapping.") from error
