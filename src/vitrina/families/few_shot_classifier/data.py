"""Tables → splits whose classes do not overlap: what is measured are classes that training never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import DataError, UsageError
from vitrina.families.few_shot_classifier import images
from vitrina.families.few_shot_classifier.configuration import Options

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
COLUMNS = ["row_id", "text", "label", "parent", "language"]
REFERENCE_ROWS = 1000
LEAST_CLASSES = 2
LEAST_ROWS = 2
"""An episode needs two classes, and of each class a row to learn from and one to ask."""


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Write the splits; see `DataModule.prepare`.

    Rows come from `messages` (text, intent), else from `catalogue` (title, category), or for images from `images` and
    `catalogue`. Classes, or whole parents of them, are held out by a hash of their name, so that a class held out once
    stays held out; a `split` column is kept where no class is in two splits. Classes with one row are left out.

    Raises:
        UsageError: when no table that the modality can read is given.
        DataError: when there are too few classes.
    """
    options = cast(Options, options)
    rows = _read(tables, options).drop_duplicates(["text", "label"])
    counts = rows["label"].value_counts()
    rows = rows[rows["label"].map(counts) >= LEAST_ROWS]
    # Ordered by a hash, so that the first few hundred rows of a split hold all kinds of classes.
    rows = rows.assign(split=_splits(rows, options, seed), row_id=row_ids(rows)).sort_values("row_id")
    for name in SPLITS:
        part = rows.loc[rows["split"] == name, COLUMNS]
        part.reset_index(drop=True).to_parquet(output / f"{name}.parquet", index=False)
    # Callers bring classes of every kind: the validation classes alone would not look like traffic.
    known = rows.loc[rows["split"] != "test", COLUMNS].head(REFERENCE_ROWS)
    known.reset_index(drop=True).to_parquet(output / "reference.parquet", index=False)


def _read(tables: Mapping[str, Path], options: Options) -> pd.DataFrame:
    """Columns text, label, parent, language, split; `text` of an image is its base64."""
    import pandas as pd

    if options.modality == "image":
        for name in ("images", "catalogue"):
            if name not in tables:
                raise UsageError(f"few_shot_classifier on images needs the table '{name}': --table {name}=FILE.")
        photos = pd.read_parquet(tables["images"], columns=["product_id", "jpeg"])
        rows = photos.merge(_catalogue(tables["catalogue"]).drop(columns="text"), on="product_id")
        return rows.assign(text=rows["jpeg"].map(images.encoded))
    if "messages" in tables:
        rows = pd.read_parquet(tables["messages"]).rename(columns={"intent": "label"})
        rows = rows[rows["label"] != OUT_OF_SCOPE]
        parent = rows["domain"] if "domain" in rows else pd.Series(None, index=rows.index, dtype=object)
        return _complete(rows.assign(parent=parent))
    if "catalogue" in tables:
        return _catalogue(tables["catalogue"])
    raise UsageError("few_shot_classifier needs the table 'messages' or 'catalogue': give it as --table messages=FILE.")


def _catalogue(path: Path) -> pd.DataFrame:
    import pandas as pd

    rows = pd.read_parquet(path).rename(columns={"title": "text", "category": "label"})
    rows = rows[rows["label"].notna()]
    parents = rows["label"].map(lambda name: PATH_SEPARATOR.join(name.split(PATH_SEPARATOR)[:-1]) or None)
    return _complete(rows.assign(parent=parents))


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    missing = {name: default for name, default in (("language", UNDETERMINED), ("split", "")) if name not in rows}
    return rows.assign(**missing)


def _splits(rows: pd.DataFrame, options: Options, seed: int) -> pd.Series:
    """The split of every row: as stated where that parts the classes, else by a hash of the class or its parent."""
    import pandas as pd

    stated = rows["split"].fillna("")
    if (stated != "").all() and (stated.groupby(rows["label"]).nunique() == 1).all():
        chosen = stated
    else:
        unit = rows["label"] if options.hold_out == "class" else rows["parent"].fillna(rows["label"])
        kinds = pd.DataFrame({"unit": sorted(set(unit))})
        chosen = unit.map(dict(zip(kinds["unit"], _drawn(kinds, options, seed), strict=True)))
    for name in SPLITS:
        found = rows.loc[chosen == name, "label"].nunique()
        if found < LEAST_CLASSES:
            raise DataError(
                f"Few-shot learning needs {LEAST_CLASSES} or more classes, of {LEAST_ROWS} or more rows each, in every "
                f"split; {name} has {found} of the table's {rows['label'].nunique()}."
            )
    return chosen


def _drawn(kinds: pd.DataFrame, options: Options, seed: int) -> pd.Series:
    """Splits of the units by hash; in a small table, a held-out split that gets too few takes more from training."""
    from vitrina.data.splits import assign_splits

    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    chosen = assign_splits(kinds, ["unit"], fractions, seed)
    least = LEAST_CLASSES if options.hold_out == "class" else 1
    order = kinds["unit"].map(lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()).sort_values().index
    for name in fractions:
        free = [place for place in order if chosen[place] == "train"]
        wanted = max(0, least - int((chosen == name).sum()))
        chosen[free[: min(wanted, len(free) - least)]] = name
    return chosen


def row_ids(rows: pd.DataFrame) -> list[str]:
    """A stable name of each row, from its content and class."""
    pairs = zip(rows["text"], rows["label"], strict=True)
    return [hashlib.sha1(f"{label}\x1f{text}".encode()).hexdigest()[:16] for text, label in pairs]


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to evaluate: a split of a prepared folder, or one file (CSV, JSON, Parquet) with `text` and `label`.

    A column `intent` is read as `label`; images are base64 in `text`.

    Raises:
        UsageError: when there is no such file or split.
        DataError: when a column is missing or no row is left.
    """

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    frame = read_frame(path)
    if "label" not in frame:
        frame = frame.rename(columns={"intent": "label"})
    missing = [column for column in ("text", "label") if column not in frame]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing; it has {', '.join(map(str, frame.columns))}.")
    frame = frame.dropna(subset=["text", "label"]).astype({"text": str, "label": str})
    frame = frame[~frame["label"].isin([OUT_OF_SCOPE, "oos"])].drop_duplicates(["text", "label"])
    if frame.empty:
        raise DataError(f"{path} has no row with text and label.")
    frame["row_id"] = row_ids(frame)
    return frame.reset_index(drop=True)
