"""Catalogue and photos → prompts with pictures, split by product."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.contracts.columns import UNDETERMINED
from vitrina.errors import DataError
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.prompts import prompt_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["row_id", "text", "category", "language", "jpeg"]
SPLITS = ("train", "validation", "test")


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Write the splits; see `DataModule.prepare`. A product without photo is left out.

    Of validation and test only `held_out_rows` are kept, those of the lowest hashes; the others are not trained on.

    Raises:
        DataError: when no product has a photo, or none is left to train on.
    """
    import pandas as pd

    from vitrina.data.splits import assign_splits

    options = cast(Options, options)
    photos = pd.read_parquet(tables["images"], columns=["image_id", "product_id", "jpeg"])
    rows = photos.merge(_products(tables["catalogue"]), on="product_id")
    if rows.empty:
        raise DataError(f"{tables['images']} has no photo of a product in {tables['catalogue']}.")
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    chosen = assign_splits(rows, ["product_id"], fractions, seed)
    rows = rows.rename(columns={"image_id": "row_id"}).sort_values("row_id")
    for name in SPLITS:
        part = rows.loc[chosen[rows.index] == name, COLUMNS]
        if part.empty:
            raise DataError(f"{len(rows)} photos are too few: none is left for {name}.")
        if name != "train":
            part = part.iloc[_lowest(part["row_id"], options.held_out_rows)]
        part.reset_index(drop=True).to_parquet(output / f"{name}.parquet", index=False)


def _products(path: Path) -> pd.DataFrame:
    import pandas as pd

    rows = pd.read_parquet(path)
    for name, default in (("category", None), ("attributes", None), ("language", UNDETERMINED)):
        if name not in rows:
            rows[name] = default
    plain = zip(rows["title"], rows["category"], rows["attributes"], strict=True)
    texts = [prompt_of(title, category, _attributes(said)) for title, category, said in plain]
    columns = ["product_id", "text", "category", "language"]
    return rows.assign(text=texts, language=rows["language"].fillna(UNDETERMINED))[columns]


def _attributes(said: object) -> dict[str, object]:
    """A map column comes back as a mapping or as pairs."""
    if isinstance(said, Mapping):
        return dict(said)
    return dict(said) if isinstance(said, list) else {}


def _lowest(ids: pd.Series, count: int) -> list[int]:
    import hashlib

    drawn = [hashlib.sha1(name.encode()).hexdigest() for name in ids]
    return sorted(sorted(range(len(drawn)), key=drawn.__getitem__)[:count])


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to draw: a split of a prepared folder, or one file (CSV, JSON, Parquet) with `text` and maybe `category`."""
    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix == ".parquet" else read_frame(path)
    if "text" not in frame:
        raise DataError(f"{path}: column text is missing; it has {', '.join(map(str, frame.columns))}.")
    frame = frame.dropna(subset=["text"]).astype({"text": str})
    if frame.empty:
        raise DataError(f"{path} has no prompt.")
    if "row_id" not in frame:
        frame["row_id"] = [str(number) for number in range(len(frame))]
    return frame.reset_index(drop=True)
