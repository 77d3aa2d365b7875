"""Catalogue, photos and reviews → rows in order of time; splits → examples that carry their own history."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.fashion_recommender.configuration import Options

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("vitrina.families")

SPLITS = ("train", "validation", "test")
PRODUCTS = "products.parquet"
REVIEWS = "reviews.parquet"
CONTENT = ["title", "description", "category", "brand", "price", "currency", "attributes", "language"]
REVIEW = ["review_id", "user_id", "product_id", "rating", "text", "timestamp"]
"""What an example's histories say of each review."""

HISTORY = {"history": "product_id", "history_times": "timestamp", "history_values": "rating"}
"""A customer's history as every recommender reads it."""

FEWEST = 20


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split the reviews by time: the latest are the test, those before it validate; see `DataModule.prepare`.

    A row is a review whose rating is to be told. Its histories name earlier reviews of its customer and of its product:
    in training those before it, in a held-out split those before the split begins, as a deployed model knows them.

    Raises:
        DataError: when there are too few reviews with a time, or none of them is of a product in the catalogue.
    """
    import pandas as pd

    options = cast(Options, options)
    products = _products(tables)
    reviews = _reviews(pd.read_parquet(tables["reviews"]), set(products["product_id"]))
    if len(reviews) < FEWEST:
        raise DataError(
            f"{tables['reviews']} has {len(reviews)} reviews with a time and a product of the catalogue; "
            f"at least {FEWEST} are needed, because the split is by time."
        )
    times = reviews["timestamp"]
    test = float(times.quantile(1 - options.test_fraction))
    validation = float(times.quantile(1 - options.test_fraction - options.validation_fraction))
    bounds = ((-float("inf"), validation), (validation, test), (test, float("inf")))
    past = _Past(reviews, options.history)
    for split, (first, end) in zip(SPLITS, bounds, strict=True):
        rows = reviews[(times >= first) & (times < end)]
        if rows.empty:
            raise DataError(f"The {split} split is empty: the reviews lie on too few moments.")
        past.rows(rows, None if split == "train" else first).to_parquet(output / f"{split}.parquet", index=False)
    reviews.to_parquet(output / REVIEWS, index=False)
    products.to_parquet(output / PRODUCTS, index=False)


def _products(tables: Mapping[str, Path]) -> pd.DataFrame:
    """The catalogue with one photo a product (`jpeg`, None where there is none)."""
    import pandas as pd

    catalogue = pd.read_parquet(tables["catalogue"])
    catalogue = catalogue[[name for name in ("product_id", *CONTENT, "stock") if name in catalogue]]
    images = pd.read_parquet(tables["images"], columns=["product_id", "jpeg"]).drop_duplicates("product_id")
    if catalogue.empty:
        raise DataError(f"{tables['catalogue']} has no products.")
    return catalogue.merge(images, on="product_id", how="left").reset_index(drop=True)


def _reviews(reviews: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """The usable reviews, oldest first; `text` is title and text, `timestamp` seconds since the epoch."""
    from vitrina.text.language import detect_language

    usable = reviews[reviews["product_id"].isin(known) & reviews["timestamp"].notna()]
    if len(usable) < len(reviews):
        logger.warning("%d reviews have no time or no product in the catalogue.", len(reviews) - len(usable))
    moments = usable["timestamp"].astype("datetime64[ns, UTC]").astype("int64") / 1e9
    text = (usable["title"].fillna("") + ". " + usable["text"]).str.removeprefix(". ")
    kept = usable.assign(text=text, timestamp=moments, rating=usable["rating"].astype(float))[REVIEW]
    kept["language"] = [detect_language(each) for each in kept["text"]]
    return kept.sort_values(["timestamp", "review_id"], ignore_index=True)


class _Past:
    """What was written before a moment, of every customer and every product."""

    def __init__(self, reviews: pd.DataFrame, longest: int) -> None:
        """`reviews` are oldest first; a history keeps the last `longest`."""
        self._times = reviews["timestamp"].to_numpy()
        self._ids = reviews["review_id"].to_numpy()
        self._longest = longest
        self._of = {side: reviews.groupby(f"{side}_id").indices for side in ("user", "product")}

    def rows(self, reviews: pd.DataFrame, until: float | None) -> pd.DataFrame:
        """The examples of a split; `until`: where it begins, None: each row is told from what was before it."""
        frame = reviews[["user_id", "product_id", "rating", "timestamp", "language"]].reset_index(drop=True)
        frame.insert(0, "row_id", reviews["review_id"].to_numpy())
        moments = reviews["timestamp"] if until is None else [until] * len(reviews)
        for side in ("user", "product"):
            keys = reviews[f"{side}_id"]
            frame[f"{side}_history"] = [self._before(side, *each) for each in zip(keys, moments, strict=True)]
        return frame.assign(known_until=until)

    def _before(self, side: str, key: str | None, moment: float) -> list[str]:
        """Ids of the latest reviews before `moment`, oldest first."""
        places = self._of[side].get(key, ())
        end = bisect_left(self._times[places], moment) if len(places) else 0
        return list(self._ids[places[max(0, end - self._longest) : end]])


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """See `DataModule.read_examples`; histories come as lists of reviews, products with content and photo.

    A file has `user_id` and `product_id`, to measure also `rating`, and what is known of `user_history`,
    `product_history` (lists of `REVIEW` structs) and of the product.
    """
    import pandas as pd

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    if path.is_dir():
        rows = read_split(path, split)
        reviews = pd.read_parquet(path / REVIEWS)[REVIEW].to_dict("records")
        said = {review["review_id"]: review for review in reviews}
        for column in ("user_history", "product_history"):
            rows[column] = pd.Series([[said[name] for name in history] for history in rows[column]])
        for column, field in HISTORY.items():
            rows[column] = pd.Series([[review[field] for review in history] for history in rows["user_history"]])
        rows["history_events"] = pd.Series([["rating"] * len(history) for history in rows["user_history"]])
        return rows.merge(pd.read_parquet(path / PRODUCTS), on="product_id", how="left")
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else read_frame(path)
    if "user_id" not in frame:
        raise DataError(f"{path} has no column 'user_id'.")
    if "row_id" not in frame:
        frame["row_id"] = [str(number) for number in range(len(frame))]
    return frame


def histories_of(examples: pd.DataFrame, side: str) -> list[list[Mapping[str, Any]]]:
    """The `user` or `product` history of every example; empty where the frame has none."""
    column = f"{side}_history"
    if column not in examples:
        return [[] for _ in range(len(examples))]
    return [[] if history is None or isinstance(history, float) else list(history) for history in examples[column]]
