"""Catalogue and matched pairs → splits, and splits → examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.product_embedder.configuration import Options

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
COLUMNS = ["product_id", "title", "description", "category", "brand", "price", "currency", "attributes", "language"]
PAIRS = "pairs.parquet"


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split the catalogue by its titles, so that repeated names stay together; see `DataModule.prepare`.

    With `pairs`, the products of training pairs are trained on and those that only held-out pairs name are held out;
    pairs without a stated split follow the title of their left product. The held-out tables also hold the products that
    their matches lead to (`matches`: product ids); those that are trained on as well are not `queried` themselves.

    Raises:
        DataError: when the catalogue is empty, a split ends empty, or a pair names an unknown product.
    """
    import pandas as pd

    from vitrina.data.splits import assign_splits

    options = cast(Options, options)
    catalogue = pd.read_parquet(tables["catalogue"], columns=COLUMNS)
    catalogue = catalogue[catalogue["title"].fillna("").astype(str).str.strip() != ""].reset_index(drop=True)
    if catalogue.empty:
        raise DataError(f"{tables['catalogue']} has no product with a title.")
    catalogue.insert(0, "row_id", catalogue["product_id"])
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    catalogue["split"] = assign_splits(catalogue, ["title"], fractions, seed)
    pairs = _no_pairs()
    if "pairs" in tables:
        pairs = _pairs(pd.read_parquet(tables["pairs"]), catalogue)
        catalogue["split"] = _stated(catalogue, pairs)
    parts = {name: _part(catalogue, pairs, name) for name in SPLITS}
    if parts["test"].empty:
        parts["test"] = parts["validation"]
    for name, part in parts.items():
        if part.empty:
            raise DataError(f"The {name} split is empty: more products are needed.")
        part.to_parquet(output / f"{name}.parquet", index=False)
    pairs[pairs["split"] == "train"].to_parquet(output / PAIRS, index=False)


def _no_pairs() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"left_id": [], "right_id": [], "match": [], "split": []}).astype({"match": bool})


def _pairs(pairs: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """The pairs, each with a split."""
    drawn = catalogue.set_index("product_id")["split"]
    for side in ("left_id", "right_id"):
        unknown = pairs[~pairs[side].isin(drawn.index)]
        if len(unknown):
            raise DataError(f"{len(unknown)} pairs name a product that the catalogue lacks: {unknown[side].iloc[0]}.")
    stated = pairs["split"].fillna("")
    split = pairs["left_id"].map(drawn).where(stated == "", stated)
    return pairs.assign(split=split)[["left_id", "right_id", "match", "split"]]


def _stated(catalogue: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """The split of every product: that of its pairs (training first), else the one drawn."""
    named = {
        split: set(rows["left_id"]) | set(rows["right_id"]) for split, rows in pairs.groupby("split", observed=True)
    }
    split = catalogue["split"].copy()
    for name in reversed(SPLITS):  # training is written last and wins
        split[catalogue["product_id"].isin(named.get(name, set()))] = name
    return split


def _part(catalogue: pd.DataFrame, pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of a split; of a held-out one also where its matches lead."""
    if name == "train":
        return catalogue[catalogue["split"] == name].drop(columns="split").reset_index(drop=True)
    matches = pairs[(pairs["split"] == name) & pairs["match"]]
    leads = matches.groupby("left_id")["right_id"].agg(list)
    own = catalogue["split"] == name
    linked = catalogue["product_id"].isin({*matches["left_id"], *matches["right_id"]})
    part = catalogue[own | linked].copy()
    part["queried"] = own[own | linked].to_numpy()
    part["matches"] = [leads.get(product_id, []) for product_id in part["product_id"]]
    return part.drop(columns="split").reset_index(drop=True)


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Products to evaluate on: a split of a prepared folder, or one file with the columns of a catalogue.

    Raises:
        UsageError: when there is no such file or split.
        DataError: when the title is missing or no row is left.
    """

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    frame = read_frame(path)
    if "title" not in frame:
        raise DataError(f"{path}: column title is missing; it has {', '.join(map(str, frame.columns))}.")
    frame = frame[frame["title"].fillna("").astype(str).str.strip() != ""].reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{path} has no product with a title.")
    if "product_id" not in frame:
        frame["product_id"] = [str(number) for number in frame.index]
    return frame.assign(row_id=frame["product_id"].astype(str))
